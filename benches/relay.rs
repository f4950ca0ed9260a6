//! What the relay itself costs: a request and its answer, small and large, over socket pairs. Client, node
//! and relay share one thread, so nothing is measured of the scheduler and of the network. And what it costs
//! to follow the replies, which sessions that came for writes do.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rolecall::proxy::relay_plainly;
use rolecall::redis::scan::Replies;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions};

/// A small request, one pipeline of them, and the value that the comparison with HAProxy uses.
const SIZES: [usize; 3] = [32, 512, 100_000];

/// A node that answers every message of this size with itself.
async fn echo(mut node: UnixStream, size: usize) -> std::io::Result<()> {
    let mut message = vec![0; size];
    loop {
        node.read_exact(&mut message).await?;
        node.write_all(&message).await?;
    }
}

async fn round_trip(client: &mut UnixStream, message: &mut [u8]) -> std::io::Result<()> {
    client.write_all(message).await?;
    client.read_exact(message).await?;
    Ok(())
}

fn relayed(criterion: &mut Criterion) -> std::io::Result<()> {
    let mut group = criterion.benchmark_group("relay");
    for size in SIZES {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?;
        let mut client = runtime.block_on(async {
            let (client, near) = UnixStream::pair()?;
            let (far, node) = UnixStream::pair()?;
            tokio::task::spawn_local(relay_plainly(near, far));
            tokio::task::spawn_local(echo(node, size));
            Ok::<_, std::io::Error>(client)
        })?;
        let mut message = vec![b'x'; size];
        // Both ways.
        group.throughput(Throughput::Bytes(2 * size as u64));
        group.bench_function(format!("{size} bytes there and back"), |bencher| {
            bencher.iter(|| {
                let passed = runtime.block_on(round_trip(&mut client, &mut message));
                assert!(passed.is_ok(), "{passed:?}");
            });
        });
    }
    group.finish();
    Ok(())
}

fn relay(criterion: &mut Criterion) {
    let done = relayed(criterion);
    assert!(done.is_ok(), "{done:?}");
}

fn scan(criterion: &mut Criterion) {
    let list = [b"*1000\r\n".to_vec(), b"$3\r\nfoo\r\n".repeat(1000)].concat();
    let large = format!("$100000\r\n{}\r\n", "x".repeat(100_000)).into_bytes();
    let chunks = [
        ("+OK", b"+OK\r\n".to_vec()),
        ("a number", b":1234\r\n".to_vec()),
        ("a value of 3 bytes", b"$3\r\nfoo\r\n".to_vec()),
        ("an error", b"-ERR unknown command\r\n".to_vec()),
        ("a pipeline of 16 times +OK", b"+OK\r\n".repeat(16)),
        ("a list of 1000 values of 3 bytes", list),
        ("a value of 100 KB", large),
    ];
    let mut group = criterion.benchmark_group("scan");
    for (name, chunk) in chunks {
        let mut replies = Replies::default();
        group.throughput(Throughput::Bytes(chunk.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| replies.follow(black_box(&chunk)));
        });
        assert!(replies.is_between(), "{name}");
    }
    group.finish();
}

criterion_group!(benches, relay, scan);
criterion_main!(benches);

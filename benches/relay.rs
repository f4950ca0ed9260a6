//! What the relay itself costs: a request and its answer, small and large, over socket pairs. Client, node
//! and relay share one thread, so nothing is measured of the scheduler and of the network.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rolecall::proxy::relay_plainly;
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

criterion_group!(benches, relay);
criterion_main!(benches);

//! The story: one whole failover that plays by itself, with the times of each step and an honest sum.
//!
//! Times are taken by asking the nodes directly every few milliseconds, and from the acknowledgements
//! that the demo's own clients got; the proxy is not asked for them.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Reply, Role, role_of};
use super::error::DemoError;
use super::process::BREATH;
use super::settings::DOWN_AFTER_MS;
use super::sum::{self, Sum, Told};
use super::topology::{NODES, PATIENCE, Topology, in_sync};
use super::traffic::{Ack, Memory, Traffic};
use super::{say, words};

/// How much is written and read before something is broken, and after it is mended.
const STEADY_WRITES: u64 = 600;
/// How many questions go to a node at once when the writes are looked for.
const BATCH: usize = 500;

/// Plays the story and adds it up.
pub(super) fn play(topology: &mut Topology) -> Result<(), DemoError> {
    say("");
    let traffic = Traffic::start(&topology.addresses.listeners, Memory::Everything);
    steady(topology, &traffic, "steady writes and reads")?;
    let totals = traffic.totals();
    say(&format!(
        "Steady: {} writes at redis-rw and {} reads at redis-ro and redis-local-ro answered",
        totals.writes, totals.reads
    ));
    let told = fail_over(topology, &traffic)?;
    let (totals, ledger) = traffic.finish();
    judge_promotions(topology)?;
    let present = keys_present(topology.address(told.promoted), &ledger.acks)
        .map_err(DemoError::system(format!("read from {}", told.promoted)))?;
    let sum = Sum::of(&ledger.acks, &present, &told.victim_run, &told.promoted_run);
    sum::report(&told, &sum, totals, &ledger);
    judge(&sum, topology)
}

/// Waits until as much again is written and read.
fn steady(topology: &mut Topology, traffic: &Traffic, what: &str) -> Result<(), DemoError> {
    let start = traffic.totals();
    topology.wait(what, |_| {
        let now = traffic.totals();
        now.writes >= start.writes + STEADY_WRITES && now.reads >= start.reads + STEADY_WRITES
    })
}

fn fail_over(topology: &mut Topology, traffic: &Traffic) -> Result<Told, DemoError> {
    let victim = topology.wait_for("rolecall to name a primary", Topology::primary)?;
    let victim_run = run_id(topology.address(victim))?;
    let killed = Instant::now();
    let since_kill = |at: Instant| words(at.saturating_duration_since(killed));
    topology.kill_node(victim);
    say(&format!(
        "{:>9}  kill -9 of {victim}, the primary",
        "0.000 s"
    ));

    let (promoted, promotion) = watch_promotion(topology, victim)?;
    let promoted_run = run_id(topology.address(promoted))?;
    say(&format!(
        "{:>9}  {promoted} says that it is the primary: Sentinel has promoted it",
        since_kill(promotion)
    ));
    let first_write = topology.wait_for("a write acknowledged after the promotion", |_| {
        traffic.first_write_by(&promoted_run)
    })?;
    say(&format!(
        "{:>9}  first write acknowledged by {promoted}",
        since_kill(first_write)
    ));
    steady(topology, traffic, "steady writes and reads again")?;
    let (returned_claiming, returned_to_replica) = bring_back(topology, victim, killed)?;
    steady(topology, traffic, "steady writes and reads at the end")?;
    all_is_well(topology, promoted)?;
    Ok(Told {
        victim,
        promoted,
        victim_run,
        promoted_run,
        killed_to_promoted: promotion.saturating_duration_since(killed),
        promoted_to_write: first_write.saturating_duration_since(promotion),
        returned_claiming,
        returned_to_replica,
        slowest_read: traffic.slowest_read(),
    })
}

fn all_is_well(topology: &mut Topology, primary: &str) -> Result<(), DemoError> {
    topology.wait("redis-local to be in sync at the end", |it| {
        in_sync(it.address(NODES[3]))
    })?;
    let held = topology.wait("rolecall to hold the promoted node for the primary", |it| {
        it.primary() == Some(primary)
    });
    // A second promotion is why, if there was one: then rolecall rightly holds another node.
    held.or_else(|late| judge_promotions(topology).and(Err(late)))
}

/// Asks the nodes that are left until one claims to be the primary: which, and when it was seen.
fn watch_promotion(
    topology: &mut Topology,
    victim: &str,
) -> Result<(&'static str, Instant), DemoError> {
    let mut asked: Vec<(&'static str, Client)> = NODES[..3]
        .iter()
        .filter(|name| **name != victim)
        .filter_map(|name| Some((*name, connect(topology.address(name)).ok()?)))
        .collect();
    let addresses = topology.addresses.nodes.clone();
    topology.wait_for("Sentinel to promote a replica", |_| {
        for (name, client) in &mut asked {
            match client.role() {
                Ok(Role::Primary) => return Some((*name, Instant::now())),
                Ok(Role::Replica { .. }) => {}
                // Sentinel closes the connections of a node that it reconfigures.
                Err(_) => {
                    let place = NODES.iter().position(|own| own == name)?;
                    if let Ok(fresh) = connect(addresses[place]) {
                        *client = fresh;
                    }
                }
            }
        }
        None
    })
}

/// Restarts the killed node and waits until it is a replica in sync. Whether it claimed to be the
/// primary first, and how long it took.
fn bring_back(
    topology: &mut Topology,
    victim: &'static str,
    killed: Instant,
) -> Result<(bool, Duration), DemoError> {
    let restarted = Instant::now();
    topology.start_node(victim)?;
    let address = topology.address(victim);
    let claiming = matches!(role_of(address), Ok(Role::Primary));
    let says = if claiming {
        "and says that it is the primary"
    } else {
        "as a replica"
    };
    say(&format!(
        "{:>9}  {victim} is back with its data, {says}",
        words(killed.elapsed())
    ));
    topology.wait("the old primary to be a replica in sync", |_| {
        in_sync(address)
    })?;
    say(&format!(
        "{:>9}  {victim} is a replica in sync: Sentinel has demoted it",
        words(killed.elapsed())
    ));
    Ok((claiming, restarted.elapsed()))
}

fn connect(address: SocketAddr) -> io::Result<Client> {
    Client::connect(address, Duration::from_secs(5))
}

fn run_id(address: SocketAddr) -> Result<String, DemoError> {
    // Right after a promotion Sentinel closes all connections of the node, so one try may fail.
    let start = Instant::now();
    loop {
        match connect(address).and_then(|mut client| client.info("server", "run_id")) {
            Ok(run) => return Ok(run),
            Err(_) if start.elapsed() < PATIENCE => thread::sleep(BREATH),
            Err(source) => {
                return Err(DemoError::system(format!("ask {address} for its run id"))(
                    source,
                ));
            }
        }
    }
}

/// For each acknowledged write whether the node has it.
fn keys_present(address: SocketAddr, acks: &[Ack]) -> io::Result<Vec<bool>> {
    let mut client = connect(address)?;
    let mut present = Vec::with_capacity(acks.len());
    for batch in acks.chunks(BATCH) {
        let questions: Vec<_> = batch.iter().map(|ack| vec!["EXISTS", &ack.key]).collect();
        for reply in client.pipeline(&questions)? {
            match reply {
                Reply::Integer(count) => present.push(count == 1),
                other => return Err(io::Error::other(format!("EXISTS: {other:?}"))),
            }
        }
    }
    Ok(present)
}

/// The sum takes every server but two for a wrong primary, so it holds for one failover only.
fn judge_promotions(topology: &Topology) -> Result<(), DemoError> {
    match topology.promotions() {
        0 | 1 => Ok(()),
        times => Err(DemoError::Wrong {
            what: format!(
                "Sentinel promoted {times} times instead of once, so this machine is too busy for \
                 down-after-milliseconds {DOWN_AFTER_MS}; try again when it is calmer"
            ),
            logs: topology.logs().to_owned(),
        }),
    }
}

/// Losses by asynchronous replication belong to Redis; the others would be ours.
fn judge(sum: &Sum, topology: &Topology) -> Result<(), DemoError> {
    let what = if sum.by_wrong_primary > 0 {
        format!("{} writes went to a wrong primary", sum.by_wrong_primary)
    } else if sum.lost_by_promoted > 0 {
        format!(
            "{} writes that the promoted primary acknowledged are gone",
            sum.lost_by_promoted
        )
    } else {
        return Ok(());
    };
    Err(DemoError::Wrong {
        what,
        logs: topology.logs().to_owned(),
    })
}

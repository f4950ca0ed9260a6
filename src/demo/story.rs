//! The story: one whole failover that plays by itself, with the times of each step and an honest sum.
//!
//! Times are taken by asking the nodes directly every few milliseconds, and from the acknowledgements
//! that the demo's own clients got; the proxy is not asked for them.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Reply, Role, role_of};
use super::error::DemoError;
use super::process::BREATH;
use super::topology::{NODES, PATIENCE, Topology, in_sync};
use super::traffic::{Ack, Ledger, Memory, Totals, Traffic};
use super::{say, words};

/// How much is written and read before something is broken, and after it is mended.
const STEADY_WRITES: u64 = 600;
/// How many questions go to a node at once when the writes are looked for.
const BATCH: usize = 500;

/// What the story measured.
struct Told {
    victim: &'static str,
    promoted: &'static str,
    victim_run: String,
    promoted_run: String,
    killed_to_promoted: Duration,
    promoted_to_write: Duration,
    returned_claiming: bool,
    returned_to_replica: Duration,
    slowest_read: Duration,
}

/// What became of the acknowledged writes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    acknowledged: usize,
    /// Acknowledged by the primary that was killed, before it had sent them on.
    lost_by_replication: usize,
    /// Acknowledged by the promoted primary, and not there.
    lost_by_promoted: usize,
    /// Acknowledged by a server that was not the primary then.
    by_wrong_primary: usize,
}

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
    let present = keys_present(topology.address(told.promoted), &ledger.acks)
        .map_err(DemoError::system(format!("read from {}", told.promoted)))?;
    let sum = add_up(&ledger.acks, &present, &told.victim_run, &told.promoted_run);
    report(&told, &sum, totals, &ledger);
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
    steady(
        topology,
        traffic,
        "steady writes and reads after the promotion",
    )?;

    let (returned_claiming, returned_to_replica) = bring_back(topology, victim, killed)?;
    steady(topology, traffic, "steady writes and reads at the end")?;
    topology.wait("redis-local to be in sync at the end", |it| {
        in_sync(it.address(NODES[3]))
    })?;
    topology.wait("rolecall to hold the promoted node for the primary", |it| {
        it.primary() == Some(promoted)
    })?;
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

fn add_up(acks: &[Ack], present: &[bool], victim_run: &str, promoted_run: &str) -> Sum {
    let mut sum = Sum {
        acknowledged: acks.len(),
        ..Sum::default()
    };
    for (ack, present) in acks.iter().zip(present) {
        match &*ack.run {
            run if run == victim_run => sum.lost_by_replication += usize::from(!present),
            run if run == promoted_run => sum.lost_by_promoted += usize::from(!present),
            _ => sum.by_wrong_primary += 1,
        }
    }
    sum
}

fn report(told: &Told, sum: &Sum, totals: Totals, ledger: &Ledger) {
    let runs: BTreeSet<&Arc<str>> = ledger.acks.iter().map(|ack| &ack.run).collect();
    say("\nThe sum:");
    let line = |what: &str, figure: &str| say(&format!("  {what:<52} {figure:>9}"));
    line(
        "from the kill to the promotion (Sentinel's part)",
        &words(told.killed_to_promoted),
    );
    line(
        "from the promotion to the first write (rolecall's)",
        &words(told.promoted_to_write),
    );
    line(
        "longest time without an acknowledged write",
        &words(ledger.longest_pause),
    );
    line("slowest answered read", &words(told.slowest_read));
    line(
        "from the old primary's restart to a replica in sync",
        &words(told.returned_to_replica),
    );
    line("writes acknowledged", &sum.acknowledged.to_string());
    line("servers that acknowledged writes", &runs.len().to_string());
    line(
        "writes broken off, tried again",
        &totals.failed_writes.to_string(),
    );
    line("reads answered", &totals.reads.to_string());
    line("reads failed", &totals.failed_reads.to_string());
    line("connections refused", &totals.refused.to_string());
    line(
        "writes acknowledged by a wrong primary",
        &sum.by_wrong_primary.to_string(),
    );
    line(
        "acknowledged writes lost",
        &sum.lost_by_replication.to_string(),
    );
    let claimed = if told.returned_claiming {
        format!(
            "{} claimed to be the primary when it came back. ",
            told.victim
        )
    } else {
        String::new()
    };
    say(&format!(
        "\n{claimed}{} writes were acknowledged by a wrong primary.\n\
         {} acknowledged writes were lost{}",
        sum.by_wrong_primary,
        sum.lost_by_replication,
        if sum.lost_by_replication == 0 {
            format!(
                ": what {} had acknowledged had reached {} before the kill. Redis replicates \
                 asynchronously, so another time it may be a few.",
                told.victim, told.promoted
            )
        } else {
            format!(
                " because Redis replicates asynchronously: {} had acknowledged them and was killed before \
                 they reached {}. No proxy can bring them back.",
                told.victim, told.promoted
            )
        }
    ));
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

#[cfg(test)]
mod tests {
    use super::{Sum, add_up};
    use crate::demo::traffic::Ack;

    #[test]
    fn losses_are_told_apart_by_who_acknowledged() {
        let acks: Vec<Ack> = ["old", "old", "new", "new", "revenant", "revenant"]
            .iter()
            .enumerate()
            .map(|(number, run)| Ack {
                key: number.to_string(),
                run: (*run).into(),
            })
            .collect();
        let present = [true, false, true, false, false, true];
        assert_eq!(
            add_up(&acks, &present, "old", "new"),
            Sum {
                acknowledged: 6,
                lost_by_replication: 1,
                lost_by_promoted: 1,
                by_wrong_primary: 2,
            }
        );
    }
}

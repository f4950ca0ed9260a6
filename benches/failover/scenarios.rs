//! What happens to the group. Each scenario plays on a stage and says nothing about who should do what.

use std::time::{Duration, Instant};

use crate::group::Wishes;
use crate::load::STUCK;
use crate::stage::Stage;
use crate::wire::{Conn, ask_once};

/// One story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Kill,
    KillReturn,
    KillRestart,
    Stop,
    DebugSleep,
    SentinelFailover,
    Failover,
    ReplicaOf,
    ReplicaRestart,
    ReplicaStop,
    ReplicasDown,
    Silent,
    TwoMasters,
    ColdLast,
}

use Scenario::{
    ColdLast, DebugSleep, Failover, Kill, KillRestart, KillReturn, ReplicaOf, ReplicaRestart,
    ReplicaStop, ReplicasDown, SentinelFailover, Silent, Stop, TwoMasters,
};

/// All of them, in the order of the table.
pub(crate) const SCENARIOS: [Scenario; 14] = [
    Kill,
    KillReturn,
    KillRestart,
    Stop,
    DebugSleep,
    SentinelFailover,
    Failover,
    ReplicaOf,
    ReplicaRestart,
    ReplicaStop,
    ReplicasDown,
    Silent,
    TwoMasters,
    ColdLast,
];

impl Scenario {
    /// Its name for `SCENARIOS`, and what happens in it.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Kill => ("kill", "the primary is killed"),
            KillReturn => (
                "kill-return",
                "the primary is killed, and comes back with its old configuration and data after a promotion",
            ),
            KillRestart => (
                "kill-restart",
                "the primary is killed and restarted at once, with its data",
            ),
            Stop => ("stop", "the primary is stopped for 12 s and continued"),
            DebugSleep => ("debug-sleep", "DEBUG SLEEP 10 at the primary"),
            SentinelFailover => ("sentinel-failover", "SENTINEL FAILOVER"),
            Failover => ("failover", "FAILOVER at the primary (no Sentinels run)"),
            ReplicaOf => ("replicaof", "REPLICAOF by hand (no Sentinels run)"),
            ReplicaRestart => (
                "replica-restart",
                "a replica is killed and restarted with a million keys",
            ),
            ReplicaStop => ("replica-stop", "a replica is stopped for 6 s"),
            ReplicasDown => (
                "replicas-down",
                "all replicas are killed, and come back after 5 s",
            ),
            Silent => ("silent", "the primary is silent for 2 s"),
            TwoMasters => (
                "two-masters",
                "the proxy starts while the old primary, first in its list, claims beside the promoted one",
            ),
            ColdLast => (
                "cold-last",
                "the proxy starts with clients waiting and the primary last in its list",
            ),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.words().0
    }

    /// How the group is set up. `FAILOVER` and `REPLICAOF` are nothing to do under living Sentinels: their
    /// votes stay with the old primary, and they take it back.
    pub(crate) fn wishes(self) -> Wishes {
        Wishes {
            persistent: matches!(self, KillReturn | KillRestart | TwoMasters),
            keys: if self == ReplicaRestart { 1_000_000 } else { 0 },
            sentinels: !matches!(self, Failover | ReplicaOf),
        }
    }

    /// The order in which the proxy's configuration lists the nodes.
    pub(crate) fn order(self) -> [usize; 3] {
        if self == ColdLast {
            [1, 2, 0]
        } else {
            [0, 1, 2]
        }
    }

    /// Whether a node is promoted while clients are at work.
    pub(crate) fn promotes(self) -> bool {
        matches!(
            self,
            Kill | KillReturn | Stop | DebugSleep | SentinelFailover | Failover | ReplicaOf
        )
    }

    /// Whether the proxy starts under load.
    pub(crate) fn is_cold(self) -> bool {
        matches!(self, TwoMasters | ColdLast)
    }

    /// Plays it.
    pub(crate) fn play(self, stage: &mut Stage) {
        match self {
            Kill => {
                stage.open();
                stage.kill(0);
                stage.wait_promotion();
                linger(4);
            }
            KillReturn => {
                stage.open();
                stage.kill(0);
                stage.wait_promotion();
                linger(2);
                stage.restart(0);
                stage.wait_replica(0);
                linger(2);
            }
            KillRestart => {
                stage.open();
                stage.kill(0);
                stage.restart(0);
                linger(5);
            }
            Stop => {
                stage.open();
                let start = Instant::now();
                stage.freeze(0);
                stage.wait_promotion();
                linger_until(start + Duration::from_secs(12));
                stage.thaw(0);
                stage.wait_replica(0);
                linger(2);
            }
            DebugSleep => debug_sleep(stage),
            SentinelFailover => {
                stage.open();
                stage.act("SENTINEL FAILOVER");
                let words = ["SENTINEL", "FAILOVER", crate::group::MASTER_NAME];
                let reply = ask_once(stage.group.sentinels[0], &words);
                assert!(
                    reply.as_ref().is_ok_and(|r| r.text() == Some("OK")),
                    "{reply:?}"
                );
                stage.wait_promotion();
                stage.wait_replica(0);
                linger(2);
            }
            Failover => {
                stage.open();
                stage.tell(0, &["FAILOVER"]);
                stage.wait_promotion();
                stage.wait_replica(0);
                linger(5);
            }
            ReplicaOf => {
                stage.open();
                stage.tell(1, &["REPLICAOF", "NO", "ONE"]);
                stage.follow(0, 1);
                stage.follow(2, 1);
                stage.wait_promotion();
                stage.wait_replica(0);
                linger(5);
            }
            Silent => {
                stage.open();
                stage.freeze(0);
                linger(2);
                stage.thaw(0);
                linger(3);
            }
            ReplicaRestart | ReplicaStop | ReplicasDown => self.play_replicas(stage),
            TwoMasters | ColdLast => self.play_cold(stage),
        }
    }

    fn play_replicas(self, stage: &mut Stage) {
        match self {
            ReplicaRestart => {
                stage.act("SAVE at redis-2");
                let mut conn = Conn::open(stage.group.nodes[1].address, STUCK).expect("redis-2");
                conn.ask(&["SAVE"]).expect("SAVE");
                stage.open();
                stage.kill(1);
                linger(1);
                stage.restart(1);
                stage.wait_replica(1);
                linger(3);
            }
            ReplicaStop => {
                stage.open();
                stage.freeze(1);
                linger(6);
                stage.thaw(1);
                linger(3);
            }
            _ => {
                stage.open();
                stage.kill(1);
                stage.kill(2);
                linger(5);
                stage.restart(1);
                stage.restart(2);
                stage.wait_replica(1);
                stage.wait_replica(2);
                linger(3);
            }
        }
    }

    fn play_cold(self, stage: &mut Stage) {
        if self == TwoMasters {
            stage.kill(0);
            stage.wait_promotion();
            // The other replica follows the new primary before the old one is back.
            linger(3);
            stage.restart(0);
            let node = &stage.group.nodes[0];
            crate::process::wait_for("the old primary claims", Duration::from_secs(10), || {
                node.info("role").as_deref() == Some("master")
            });
            stage.start_load();
            stage.start_proxy();
        } else {
            stage.start_load();
            linger(1);
            stage.start_proxy();
        }
        if stage.proxy.candidate.is_rolecall() {
            stage.ready = Some(stage.proxy.wait_ready());
        }
        if self == TwoMasters {
            stage.wait_replica(0);
        }
        linger(4);
    }
}

fn debug_sleep(stage: &mut Stage) {
    stage.open();
    let start = Instant::now();
    stage.act("DEBUG SLEEP 10 at redis-1");
    let mut conn = Conn::open(stage.group.nodes[0].address, STUCK).expect("redis-1");
    conn.send(&["DEBUG", "SLEEP", "10"]).expect("DEBUG SLEEP");
    stage.wait_promotion();
    linger_until(start + Duration::from_secs(10));
    stage.act("redis-1 should be awake");
    stage.wait_replica(0);
    linger(2);
}

fn linger(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn linger_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

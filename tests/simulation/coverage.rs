//! Counts what happened over all histories, so that the simulation cannot silently become empty: a
//! change that makes one of these impossible fails the test, even though no rule is broken.

use std::collections::BTreeMap;

/// Each class of event that must occur in a full run.
const CLASSES: &[&str] = &[
    // Elections by each evidence, and losses of each kind.
    "elected: only node",
    "elected: demotion",
    "elected: descent",
    "elected: descent, incumbent claims",
    "elected: later branch than a restarted primary",
    "elected: votes",
    "elected: votes, incumbent claims",
    "elected: votes newer than a descent",
    "elected: sentinels",
    "elected: sentinels, incumbent claims",
    "elected: sentinels by run id",
    "elected: sentinels above the epoch bar",
    "elected: hold",
    "elected: all checked",
    "elected: unproven alone",
    "elected at a cold start among several",
    "lost: demoted",
    "lost: restarted",
    "lost: handover timed out",
    "lost: removed",
    "conflict",
    "conflict over",
    "primary gone",
    "primary back",
    // Rules that held somebody back.
    "kept: incumbent against another claimant",
    "kept: heir against its ancestor's replicas",
    "kept: heir against its ancestor's sentinels",
    "kept: incumbent that is silent",
    "kept: writes during a handover",
    "held back: unproven beside another",
    "held back: a replica follows an unseen node",
    "held back: sentinels name an unseen node",
    "held back: sentinels without a claimant",
    "held back: two claimants at a cold start",
    // R8 to R11.
    "check: loading",
    "check: busy",
    "check: full",
    "check: not redis",
    "check: denied",
    "check: bad reply",
    "check: closed",
    "check: refused",
    "check: unreachable",
    "check: older than the last step",
    "node fell by silence",
    "node rising",
    "node up again after a rise",
    "node lags in bytes",
    "node lags in time",
    "node follows another history",
    "node ranks last",
    "node in a full sync",
    "node refuses stale reads",
    "node link down beside a primary",
    "node serves stale reads",
    "node stale for too long",
    "node is a second address",
    "node moved",
    "write session closed",
    "read session closed",
    // What the world did.
    "world: sentinel failover after a crash",
    "world: sentinel failover by order",
    "world: failover aborted",
    "world: handover",
    "world: handover aborted",
    "world: promotion by hand",
    "world: suspended",
    "world: sentinel lies",
    "world: sentinel silent",
    "world: full sync",
    "news: promotes",
    "end: settled by itself",
    "end: healed at once",
    "end: promotion served by the check that shows it",
];

#[derive(Default)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    pub fn count(&mut self, class: &'static str) {
        assert!(CLASSES.contains(&class), "{class} is not in the list");
        *self.0.entry(class).or_default() += 1;
    }

    pub fn merge(&mut self, other: Self) {
        for (class, times) in other.0 {
            *self.0.entry(class).or_default() += times;
        }
    }

    pub fn assert_complete(&self) {
        let never: Vec<&&str> = CLASSES
            .iter()
            .filter(|class| !self.0.contains_key(**class))
            .collect();
        assert!(never.is_empty(), "never happened: {never:#?}\n{self}");
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (class, times) in &self.0 {
            writeln!(f, "{times:>10} {class}")?;
        }
        Ok(())
    }
}

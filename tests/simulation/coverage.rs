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
    "lost: foreign",
    "elected: by votes after a contradiction",
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
    "held back: sentinels name one whom they call down",
    "held back: votes against descent",
    "held back: replicas against Sentinels",
    // R17 to R19.
    "history: accepted by an operator",
    "elected: known process by votes",
    "history: vouched for by a silent node",
    "history: lapse",
    "history: resumed",
    "node is foreign",
    "node is not placed yet",
    "primary waits for replicas",
    "stale reads: a load stops the clock",
    "end: operator accepts",
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
    "world: copy of a dump",
    "world: copy of a stranger's dump",
    "world: primary made to follow a stranger",
    "world: replica made to follow a stranger",
    "world: promotion by hand with a stranger's data",
    "world: place taken by a stranger's primary",
    "world: place taken by a stranger's replica",
    "world: place taken by a stranger that was promoted",
    "world: sentinels promote a stranger",
    "world: sentinels name a dead stranger",
    "world: long load",
    "world: forger",
    "world: backlog expired",
    "elected: forger by descent",
    // R4: order.
    "order: elected in a round",
    "order: elected by a proxy that starts",
    "order: none elected by a proxy that starts",
    "news: promotes",
    "end: settled by itself",
    "end: healed at once",
    "end: promotion served by the check that shows it",
];

/// What is counted, and too rare to be demanded: a few times in ten thousand histories.
const RARE: &[&str] = &["elected: later branch than a restarted primary"];

#[derive(Default)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    pub fn count(&mut self, class: &'static str) {
        let is_listed = CLASSES.contains(&class) || RARE.contains(&class);
        assert!(is_listed, "{class} is not in the list");
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

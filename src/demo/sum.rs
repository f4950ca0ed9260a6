//! The sum of the story: what was measured, what became of the writes, and what that means.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::traffic::{Ack, Ledger, Totals};
use super::{say, words};

/// What the story measured.
pub(super) struct Told {
    /// The primary that was killed, and its run then.
    pub(super) victim: &'static str,
    /// The replica that Sentinel promoted, and its run.
    pub(super) promoted: &'static str,
    pub(super) victim_run: String,
    pub(super) promoted_run: String,
    /// Times between the steps.
    pub(super) killed_to_promoted: Duration,
    pub(super) promoted_to_write: Duration,
    /// Whether the old primary claimed the role again when it came back.
    pub(super) returned_claiming: bool,
    /// From its restart.
    pub(super) returned_to_replica: Duration,
    /// Of the reads that were answered.
    pub(super) slowest_read: Duration,
}

/// What became of the acknowledged writes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// All of them.
    pub(super) acknowledged: usize,
    /// Acknowledged by the primary that was killed, before it had sent them on.
    pub(super) lost_by_replication: usize,
    /// Acknowledged by the promoted primary, and not there.
    pub(super) lost_by_promoted: usize,
    /// Acknowledged by a server that was not the primary then.
    pub(super) by_wrong_primary: usize,
    /// Those of them that are not there.
    pub(super) lost_by_wrong_primary: usize,
}

impl Sum {
    /// Adds up. `present` says of each acknowledged write whether the new primary has it.
    pub(super) fn of(acks: &[Ack], present: &[bool], victim_run: &str, promoted_run: &str) -> Self {
        let mut sum = Self {
            acknowledged: acks.len(),
            ..Self::default()
        };
        for (ack, present) in acks.iter().zip(present) {
            match &*ack.run {
                run if run == victim_run => sum.lost_by_replication += usize::from(!present),
                run if run == promoted_run => sum.lost_by_promoted += usize::from(!present),
                _ => {
                    sum.by_wrong_primary += 1;
                    sum.lost_by_wrong_primary += usize::from(!present);
                }
            }
        }
        sum
    }

    /// All acknowledged writes that are not there.
    pub(super) fn lost(&self) -> usize {
        self.lost_by_replication + self.lost_by_promoted + self.lost_by_wrong_primary
    }
}

/// Says the figures, and then what they mean.
pub(super) fn report(told: &Told, sum: &Sum, totals: Totals, ledger: &Ledger) {
    say("\nThe sum:");
    for (what, figure) in figures(told, sum, totals, ledger) {
        say(&format!("  {what:<52} {figure:>9}"));
    }
    say(&format!("\n{}", meaning(told, sum)));
}

fn figures(
    told: &Told,
    sum: &Sum,
    totals: Totals,
    ledger: &Ledger,
) -> [(&'static str, String); 13] {
    let servers: BTreeSet<&Arc<str>> = ledger.acks.iter().map(|ack| &ack.run).collect();
    [
        (
            "from the kill to the promotion (Sentinel's part)",
            words(told.killed_to_promoted),
        ),
        (
            "from the promotion to the first write (rolecall's)",
            words(told.promoted_to_write),
        ),
        (
            "longest time without an acknowledged write",
            words(ledger.longest_pause),
        ),
        ("slowest answered read", words(told.slowest_read)),
        (
            "from the old primary's restart to a replica in sync",
            words(told.returned_to_replica),
        ),
        ("writes acknowledged", sum.acknowledged.to_string()),
        (
            "servers that acknowledged writes",
            servers.len().to_string(),
        ),
        (
            "writes broken off, tried again",
            totals.failed_writes.to_string(),
        ),
        ("reads answered", totals.reads.to_string()),
        ("reads failed, tried again", totals.failed_reads.to_string()),
        ("connections refused", totals.refused.to_string()),
        (
            "writes acknowledged by a wrong primary",
            sum.by_wrong_primary.to_string(),
        ),
        ("acknowledged writes lost", sum.lost().to_string()),
    ]
}

fn meaning(told: &Told, sum: &Sum) -> String {
    let (old, new) = (told.victim, told.promoted);
    let mut text = String::new();
    if told.returned_claiming {
        text += &["When ", old, " came back, it claimed to be the primary. "].concat();
    }
    let _ = writeln!(
        text,
        "{} writes were acknowledged by a wrong primary, and {} of them were lost.",
        sum.by_wrong_primary, sum.lost_by_wrong_primary
    );
    let _ = match sum.lost_by_replication {
        0 => write!(
            text,
            "0 acknowledged writes were lost in the failover: what {old} had acknowledged had reached {new} before \
             the kill.\nRedis replicates asynchronously, so another time it may be a few."
        ),
        lost => write!(
            text,
            "{lost} acknowledged writes were lost because Redis replicates asynchronously: {old} had acknowledged \
             them\nand was killed before they reached {new}. No proxy can bring them back."
        ),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::Sum;
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
            Sum::of(&acks, &present, "old", "new"),
            Sum {
                acknowledged: 6,
                lost_by_replication: 1,
                lost_by_promoted: 1,
                by_wrong_primary: 2,
                lost_by_wrong_primary: 1,
            }
        );
    }
}

//! Who may serve now (R1, R2, R6, R8 to R11), from what was reported.

use std::time::Duration;

use rolecall::core::facts::{Condition, Facts, ReplId};
use rolecall::core::lag::LagLimits;
use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::snapshot::{PrimaryView, Silence};
use rolecall::core::time::Moment;

use super::Referee;
use super::histories::Place;
use super::told::{State, is_silence};

/// R10, without `max_lag`: older than this ranks last.
const STALE: Duration = Duration::from_secs(15);

/// Where the elected primary was seen to be: an offset, and the first and last moment of it.
#[derive(Default)]
pub struct Track {
    history: Option<ReplId>,
    seen: Vec<(u64, Moment, Moment)>,
}

/// How far a replica is behind what was seen of the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    Unmeasured,
    OtherHistory(Moment),
    Nothing,
    By { bytes: u64, since: Moment },
}

/// Who takes writes, who reads, whose read sessions are closed.
pub type Verdicts = (Option<PrimaryView>, Vec<(bool, bool, bool)>);

impl Behind {
    fn age(self, now: Moment) -> Option<Duration> {
        match self {
            Self::Unmeasured => None,
            Self::Nothing => Some(Duration::ZERO),
            Self::OtherHistory(since) | Self::By { since, .. } => Some(now.since(since)),
        }
    }

    /// Says which limit it is beyond.
    fn exceeds(self, limits: LagLimits, now: Moment) -> Option<&'static str> {
        let old = limits
            .age
            .is_some_and(|most| self.age(now).is_some_and(|age| age > most));
        match self {
            Self::OtherHistory(_) if old || (limits.bytes.is_some() && limits.age.is_none()) => {
                Some("node follows another history")
            }
            Self::By { bytes, .. } if limits.bytes.is_some_and(|most| bytes > most) => {
                Some("node lags in bytes")
            }
            _ if old => Some("node lags in time"),
            _ => None,
        }
    }
}

impl Track {
    fn note(&mut self, facts: &Facts, at: Moment) {
        if self.history != facts.replid {
            self.history.clone_from(&facts.replid);
            self.seen.clear();
        }
        match self.seen.last_mut() {
            Some((offset, _, last)) if *offset == facts.offset => *last = at,
            _ => self.seen.push((facts.offset, at, at)),
        }
    }

    fn compare(&self, facts: &Facts, began: Moment, before: Behind) -> Behind {
        let known = self.seen.iter().rposition(|(_, first, _)| *first <= began);
        let (Some(link), Some(known)) = (facts.replica(), known) else {
            return Behind::Unmeasured;
        };
        if facts.replid.is_none() || facts.replid != self.history {
            return match before {
                Behind::OtherHistory(since) => Behind::OtherHistory(since),
                _ => Behind::OtherHistory(began),
            };
        }
        let latest = self.seen[known].0;
        if link.offset >= latest {
            return Behind::Nothing;
        }
        let reached = self.seen[..known]
            .iter()
            .rfind(|(at, ..)| *at <= link.offset);
        let since = match (reached, before) {
            (Some((.., last)), _) => *last,
            (None, Behind::By { since, .. }) => since,
            (None, _) => self.seen[0].1,
        };
        Behind::By {
            bytes: latest - link.offset,
            since,
        }
    }
}

impl Referee {
    /// R10: the primary leaves its track, replicas are measured by it.
    pub fn measure(&mut self, node: usize, report: &Report) {
        let Outcome::Answered(facts) = &report.outcome else {
            return;
        };
        if self.holder() == Some(node) && facts.claims() {
            self.track.note(facts, report.finished);
            return;
        }
        let before = self.told[node].behind;
        self.told[node].behind = self.track.compare(facts, report.started, before);
    }

    /// An elected node has told where it is.
    pub fn note_primary(&mut self, facts: &Facts, at: Moment) {
        self.track.note(facts, at);
    }

    fn has_living_primary(&self) -> bool {
        self.holder().is_some_and(|holder| {
            let told = &self.told[holder];
            let hands_over = self.reign.as_ref().is_some_and(|r| r.hands_over.is_some());
            told.state != State::Unknown && !told.is_gone() && !hands_over
        })
    }

    pub fn verdicts(&self) -> Verdicts {
        let view = self.group.view();
        let nodes = view.nodes.iter().map(|node| {
            let closes = node.close_reads.is_some();
            (node.write.is_ok(), node.read.is_ok(), closes)
        });
        (view.primary, nodes.collect())
    }

    /// Who may serve is exactly who should.
    pub fn judge_view(&mut self) {
        let living = self.has_living_primary();
        let mut writable = 0;
        for node in 0..self.told.len() {
            let view = &self.group.view().nodes[node];
            let (writes, reads) = (view.write.is_ok(), view.read.is_ok());
            let (ranks_last, silent) = (view.stale, view.silence);
            let write = self.may_write(node);
            let read = self.may_read(node, living);
            writable += u32::from(writes);
            if self.is_between_addresses(node) {
                continue;
            }
            if let Err(why) = write {
                self.demand(!writes, why);
            }
            if let Err((rule, why)) = read {
                if reads {
                    self.demand(false, &format!("{rule}: redis-{} reads: {why}", node + 1));
                }
                if let Some(class) = class_of(why) {
                    self.coverage.count(class);
                }
            }
            self.demand(
                write.is_err() || writes,
                "R2, R8: one is kept from writes for nothing",
            );
            self.demand(
                read.is_err() || reads,
                "R9, R10: one is kept from reads for nothing",
            );
            if read.is_ok() && !living && self.told[node].link_down.is_some() {
                self.coverage.count("node serves stale reads");
                self.count_stopped_clock(node);
            }
            if self.holder() == Some(node) && self.waits_for_replicas(node) {
                self.coverage.count("primary waits for replicas");
            }
            let stale = self.ranks_last(node, living);
            self.demand(
                ranks_last == stale,
                "R10: stale ranks last, and only stale does",
            );
            if stale {
                self.coverage.count("node ranks last");
            }
            let silence = match self.told[node].silences {
                0 => Silence::None,
                1 => Silence::Once,
                _ => Silence::Twice,
            };
            self.demand(silent == silence, "R8: silence is counted to two");
        }
        self.demand(writable <= 1, "R2: at most one takes writes");
        self.judge_sessions(living);
        self.judge_data();
    }

    /// What stands in the way of anything.
    fn may_serve(&self, node: usize) -> Result<(), (&'static str, &'static str)> {
        let told = &self.told[node];
        match told.state {
            _ if self.is_out(node) => return Err(("R3", "it is in maintenance")),
            State::Unknown => return Err(("R1", "no complete check yet")),
            State::Rising(_) => return Err(("R8", "it has not risen yet")),
            State::Fallen => return Err(("R8", "fall time-outs took it down")),
            State::Refused => return Err(("R8", "a refused connection acts at once")),
            State::Loading => return Err(("R8", "it is loading")),
            State::Full => return Err(("R8", "it takes no more clients")),
            State::Faulty => return Err(("R8", "it is misconfigured, or not Redis")),
            State::Up => {}
        }
        if told.last.is_none() {
            return Err(("R1", "no complete check yet"));
        }
        if self.double[node].is_some() {
            return Err(("R1", "a second address of the same process"));
        }
        Ok(())
    }

    fn may_write(&self, node: usize) -> Result<(), &'static str> {
        self.may_serve(node).map_err(|(_, why)| why)?;
        let facts = self.told[node].last.as_ref().ok_or("R1: unknown")?;
        match () {
            () if self.told[node].local => Err("a local node is never primary"),
            () if self.holder() != Some(node) => Err("R2: only the elected one"),
            () if !facts.claims() => Err("R2: only who claims"),
            () if self.is_foreign(node) => Err("R17: it is foreign"),
            () if facts.handover => Err("R6: a handover is in progress"),
            () if self.waits_for_replicas(node) => Err("R19: it has too few replicas yet"),
            () => Ok(()),
        }
    }

    /// R19: new writers wait while the elected one would refuse what they write.
    pub fn waits_for_replicas(&self, node: usize) -> bool {
        let facts = self.told[node].last.as_ref();
        self.reign.as_ref().is_some_and(|reign| {
            let waited = self.now.since(reign.elected_at) >= self.rules.park_limit;
            !reign.has_replicas && !waited && facts.is_some_and(Facts::lacks_replicas)
        })
    }

    fn may_read(&self, node: usize, living: bool) -> Result<(), (&'static str, &'static str)> {
        self.may_serve(node)?;
        let told = &self.told[node];
        let facts = told.last.as_ref().ok_or(("R1", "unknown"))?;
        let link = facts
            .replica()
            .ok_or(("R9", "only replicas serve as such"))?;
        if link.syncing {
            return Err(("R9", "a full sync replaces its data"));
        }
        match self.place_of(node) {
            Place::Foreign => return Err(("R17", "node is foreign")),
            Place::Unplaced => return Err(("R17", "node is not placed yet")),
            Place::Native | Place::Trusted | Place::Vouched => {}
        }
        if facts.condition == Condition::MasterDown {
            return Err(("R8", "it refuses stale reads"));
        }
        if link.link_up {
            let beyond = told.behind.exceeds(self.rules.max_lag, self.now);
            return match beyond.filter(|_| living) {
                Some(class) => Err(("R10", class)),
                None => Ok(()),
            };
        }
        match told.link_down.flatten() {
            None => Err(("R9", "it was never in sync")),
            Some(_) if living => Err(("R9", "its link is down beside a primary")),
            Some(since) if self.stale_for(since) > self.rules.stale_reads => {
                Err(("R9", "its link went down too long ago"))
            }
            Some(_) => Ok(()),
        }
    }

    fn ranks_last(&self, node: usize, living: bool) -> bool {
        living
            && self.rules.max_lag == LagLimits::default()
            && self.told[node]
                .behind
                .age(self.now)
                .is_some_and(|age| age > STALE)
    }

    /// R8, R11: some outcomes say nothing about a node: it keeps what it has.
    pub fn judge_mere_delay(
        &mut self,
        node: usize,
        before: State,
        outcome: &Outcome,
        verdicts: &Verdicts,
    ) {
        let told = &self.told[node];
        let held = before == State::Up;
        let patient = told.silences < self.rules.fall;
        let what = match outcome {
            Outcome::Closed if held && patient => "R11: a lost check connection is no failure",
            Outcome::Busy if held => "R8: -BUSY keeps everything as it is",
            outcome if is_silence(outcome) && held && patient => {
                "R8: less than fall time-outs change nothing"
            }
            Outcome::TooManyClients if held => {
                let kept = self.verdicts();
                // It has no vote while it is full, so another may be elected, if it is not the primary.
                let elected = verdicts
                    .0
                    .is_some_and(|primary| primary.node.0 as usize == node);
                return self.demand(
                    (kept.0 == verdicts.0 || !elected) && kept.1[node].2 <= verdicts.1[node].2,
                    "R8: a full node keeps its sessions",
                );
            }
            _ => return,
        };
        let now = self.verdicts();
        let mut nodes = now.1.iter().zip(&verdicts.1);
        // Sessions that had to be closed are closed: they need not be told again.
        let same = nodes.all(|(is, was)| (is.0, is.1) == (was.0, was.1) && is.2 <= was.2);
        self.demand(same && now.0 == verdicts.0, what);
    }
}

fn class_of(why: &str) -> Option<&'static str> {
    match why {
        "node lags in bytes" => Some("node lags in bytes"),
        "node lags in time" => Some("node lags in time"),
        "node follows another history" => Some("node follows another history"),
        "a full sync replaces its data" => Some("node in a full sync"),
        "it refuses stale reads" => Some("node refuses stale reads"),
        "its link is down beside a primary" => Some("node link down beside a primary"),
        "its link went down too long ago" => Some("node stale for too long"),
        "node is foreign" => Some("node is foreign"),
        "node is not placed yet" => Some("node is not placed yet"),
        "a second address of the same process" => Some("node is a second address"),
        _ => None,
    }
}

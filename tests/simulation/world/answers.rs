//! What the proxy is told when it asks a node.

use rolecall::core::facts::{Condition, Facts, Mode, ReplId, ReplicaFacts, Role, RunId};
use rolecall::core::outcome::{Denial, Outcome, Stage};

use std::time::Duration;

use super::{HandoverStep, Mood, Owner, Process, World};

/// What a check of a node brings, and what was so when it was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub outcome: Outcome,
    pub truth: Truth,
}

/// What is so at a process, whatever it tells.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    pub owner: Owner,
    pub copied: bool,
    pub forges: bool,
    /// The history that it branched from.
    pub branched_from: Option<ReplId>,
    /// It has received something of a replication stream.
    pub received: bool,
}

fn named(history: u64) -> ReplId {
    ReplId(history.to_string().into())
}

impl World {
    /// Whether a promotion shows in what a node tells.
    pub fn tells_branch(&self) -> bool {
        self.product.tells_branch
    }

    /// What a check of a node brings now.
    pub fn sample(&self, node: usize) -> Answer {
        let index = self.at(self.nodes[node]);
        let process = &self.processes[index];
        Answer {
            outcome: self.outcome(node, index),
            truth: Truth {
                owner: process.owner,
                copied: process.copied,
                forges: self.is_forger(index),
                branched_from: process.branch.map(|(history, _)| named(history)),
                received: process.received > 0,
            },
        }
    }

    fn outcome(&self, node: usize, index: usize) -> Outcome {
        let process = &self.processes[index];
        if self.unseen[node] && node % 2 == 1 {
            return Outcome::Unreachable("no route to host".into());
        }
        if self.unseen[node] || (process.alive && process.stopped) {
            return Outcome::TimedOut(Stage::Reply);
        }
        if !process.alive {
            return Outcome::Refused;
        }
        match self.moods[node] {
            Mood::Well => {}
            Mood::Busy => return Outcome::Busy,
            Mood::Full => return Outcome::TooManyClients,
            Mood::NotRedis => return Outcome::NotRedis("HTTP/1.1 400".into()),
            Mood::Denied => return Outcome::Denied(Denial::WrongPass, "-WRONGPASS".into()),
            Mood::Garbled => return Outcome::BadReply("no role".into()),
        }
        if process.loads_until > self.now {
            return Outcome::Loading;
        }
        Outcome::Answered(Box::new(self.forged(index, self.facts(index))))
    }

    fn facts(&self, index: usize) -> Facts {
        let process = &self.processes[index];
        let replicas = self.replicas(index).count();
        let good = self
            .replicas(index)
            .filter(|other| other.is_heard(self.now));
        let told = self.product;
        let branch = process.branch.filter(|_| told.tells_branch);
        let role = match process.follows {
            None => Role::Primary {
                connected_replicas: u32::try_from(replicas).unwrap(),
            },
            Some(master) => Role::Replica(ReplicaFacts {
                master: self.address(master),
                link_up: process.link_down_at.is_none(),
                link_down_for: process
                    .link_down_at
                    .filter(|_| process.ever_linked)
                    .map(|since| self.now.saturating_sub(since)),
                syncing: process.syncs_until.is_some(),
                offset: process.offset,
                last_io: None,
            }),
        };
        // One of the nodes has replica-serve-stale-data no.
        let refuses = index == 2 && process.follows.is_some() && process.link_down_at.is_some();
        Facts {
            run_id: RunId(process.run.to_string().into()),
            version: "7.0.15".into(),
            mode: Mode::Standalone,
            role,
            replid: Some(named(process.history)),
            tells_branch: told.tells_branch,
            replid2: branch.map(|(history, _)| named(history)),
            second_offset: branch.map(|(_, offset)| offset),
            offset: process.offset,
            handover: process
                .hands_over
                .is_some_and(|handover| handover.step != HandoverStep::Ends),
            condition: if refuses {
                Condition::MasterDown
            } else {
                Condition::Normal
            },
            has_keys: None,
            // Asked only where an election may rest on it.
            stream_bytes: (told.tells_received && process.follows.is_none() && branch.is_some())
                .then_some(process.received),
            good_replicas: told
                .min_replicas
                .then(|| u32::try_from(good.count()).unwrap()),
            uptime: told.tells_uptime.then(|| {
                Duration::from_secs(self.clock().saturating_sub(process.started).as_secs())
            }),
        }
    }
}

impl Process {
    /// Its primary hears of it.
    fn is_heard(&self, now: Duration) -> bool {
        !self.stopped && self.silent_since.is_none() && self.stalls_until <= now
    }
}

//! What the proxy is told when it asks a node.

use rolecall::core::facts::{Condition, Facts, Mode, ReplId, ReplicaFacts, Role, RunId};
use rolecall::core::outcome::{Denial, Outcome, Stage};

use super::{HandoverStep, Mood, World};

impl World {
    /// What a check of a node brings now.
    pub fn sample(&self, node: usize) -> Outcome {
        let index = self.nodes[node];
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
        Outcome::Answered(Box::new(self.facts(index)))
    }

    fn facts(&self, index: usize) -> Facts {
        let process = &self.processes[index];
        let replicas = self
            .processes
            .iter()
            .filter(|other| other.follows == Some(index) && other.link_down_at.is_none())
            .count();
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
            replid: Some(ReplId(process.history.to_string().into())),
            replid2: process
                .branch
                .map(|(history, _)| ReplId(history.to_string().into())),
            tells_branch: true,
            second_offset: process.branch.map(|(_, offset)| offset),
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
            stream_bytes: None,
            good_replicas: None,
            uptime: None,
        }
    }
}

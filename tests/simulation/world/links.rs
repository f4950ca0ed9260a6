//! Replication: a replica is in sync, notices a lost link late or never, and syncs in full where it must.

use std::time::Duration;

use super::{Process, World};
use crate::dice::Dice;

/// After this a replica takes a silent primary's link for down (60 s in Redis, shorter here so that
/// it happens within a history).
const REPL_TIMEOUT: Duration = Duration::from_secs(8);

/// What a full sync brings, beside the stream.
const FULL_SYNC_BYTES: u64 = 900;

impl World {
    pub(super) fn link(&mut self, node: usize, dice: &mut Dice) {
        let Some(place) = self.processes[node].follows else {
            return;
        };
        if !self.serves(node) {
            return;
        }
        let master = self.at(place);
        let now = self.now;
        let cut = self.cut.contains(&(node.min(master), node.max(master)));
        let master_alive = self.processes[master].alive;
        let silent = cut || self.processes[master].stopped;
        let up = self.processes[node].link_down_at.is_none();
        if silent {
            // It notices a silent peer only after repl-timeout: the link says "up" for a long time.
            let since = *self.processes[node].silent_since.get_or_insert(now);
            if now.saturating_sub(since) > REPL_TIMEOUT {
                self.drop_link(node);
            }
            return;
        }
        self.processes[node].silent_since = None;
        let source = self.processes[master].clone();
        if !master_alive || source.loads_until > now || source.syncs_until.is_some() {
            return self.drop_link(node);
        }
        let replica = &self.processes[node];
        let shares = replica.history == source.history && replica.offset <= source.offset;
        let branches = source
            .branch
            .is_some_and(|(from, at)| from == replica.history && replica.offset <= at);
        // A replica that has nothing to give serves a sync only when it is in sync itself.
        if !up && source.follows.is_some() && source.link_down_at.is_some() {
            return;
        }
        if shares || branches {
            let gained = source.offset.saturating_sub(replica.offset);
            self.take_over(node, &source, gained);
        } else {
            self.sync_fully(node, &source, dice);
        }
    }

    fn drop_link(&mut self, node: usize) {
        let now = self.now;
        let process = &mut self.processes[node];
        process.link_down_at.get_or_insert(now);
        process.syncs_until = None;
    }

    fn sync_fully(&mut self, node: usize, source: &Process, dice: &mut Dice) {
        self.drop_link_keeping_sync(node);
        let now = self.now;
        match self.processes[node].syncs_until {
            None => {
                self.coverage.count("world: full sync");
                self.processes[node].syncs_until = Some(now + dice.millis(0, 1500));
            }
            Some(ends) if ends <= now => self.take_over(node, source, FULL_SYNC_BYTES),
            Some(_) => {}
        }
    }

    fn drop_link_keeping_sync(&mut self, node: usize) {
        let now = self.now;
        self.processes[node].link_down_at.get_or_insert(now);
    }

    fn take_over(&mut self, node: usize, source: &Process, gained: u64) {
        let now = self.now;
        let replica = &mut self.processes[node];
        let was_up = replica.link_down_at.is_none() && replica.history == source.history;
        if !(was_up && replica.stalls_until > now) {
            replica.offset = source.offset;
            replica.received += gained;
        }
        replica.owner = source.owner;
        replica.copied = false;
        replica.history = source.history;
        replica.branch = source.branch;
        replica.link_down_at = None;
        replica.syncs_until = None;
        replica.ever_linked = true;
    }
}

//! R9: the clock of stale reads stands still while the holder of the election loads its data.

use std::time::Duration;

use rolecall::core::outcome::Report;
use rolecall::core::time::Moment;

use super::Referee;
use super::told::State;

/// When the holder was loading: from the first report of it to the one that ended it.
#[derive(Debug, Default)]
pub struct Loads {
    over: Vec<(Moment, Moment)>,
    /// By node.
    under_way: Option<(usize, Moment)>,
}

impl Referee {
    pub fn follow_loads(&mut self, node: usize, report: &Report) {
        // Silence does not end it before the node falls.
        let loads = self.told[node].state == State::Loading;
        match self.loads.under_way {
            Some((loading, since)) if loading == node && !loads => {
                self.loads.over.push((since, report.finished));
                self.loads.under_way = None;
            }
            None if loads && self.holder() == Some(node) => {
                self.loads.under_way = Some((node, report.finished));
            }
            _ => {}
        }
    }

    /// Another was elected, or none is any more: what the former one does is nothing to the clock.
    pub fn end_loads_of_the_former(&mut self) {
        if let Some((loading, since)) = self.loads.under_way
            && self.holder() != Some(loading)
        {
            self.loads.over.push((since, self.now));
            self.loads.under_way = None;
        }
    }

    /// How long a replica has been without its primary, as far as it counts.
    pub fn stale_for(&self, link_down: Moment) -> Duration {
        let whole = self.now.since(link_down);
        let Some(reign) = self
            .reign
            .as_ref()
            .filter(|_| !self.rules.stale_reads.is_zero())
        else {
            return whole;
        };
        let from = link_down.max(reign.elected_at);
        let under_way = self.loads.under_way.map(|(_, since)| (since, self.now));
        let loaded: Duration = self
            .loads
            .over
            .iter()
            .copied()
            .chain(under_way)
            .map(|(since, until)| until.since(since.max(from)))
            .sum();
        self.now.since(from).saturating_sub(loaded)
    }

    pub fn count_stopped_clock(&mut self, node: usize) {
        let since = self.told[node].link_down.flatten();
        if since.is_some_and(|since| self.now.since(since) > self.rules.stale_reads) {
            self.coverage.count("stale reads: a load stops the clock");
        }
    }
}

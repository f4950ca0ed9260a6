//! What became of it all: each acknowledged write is looked for at the primary that is left at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::load::{Answer, Diaries, Diary, STUCK, WRITERS, key};
use crate::scenarios::Scenario;
use crate::stage::Stage;
use crate::watch::Promotion;
use crate::wire::Conn;

/// A read is stale when it does not see a durable write that was acknowledged so long before it was sent.
pub(crate) const STALE: Duration = Duration::from_secs(1);

/// The figures of one run. Durations are in seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Acknowledged writes.
    pub(crate) acknowledged: u64,
    /// Acknowledged writes that are not at the last primary.
    pub(crate) lost: u64,
    /// Of these, acknowledged by the rightful primary: Redis replicates asynchronously.
    pub(crate) lost_by_redis: u64,
    /// Sent after a promotion and acknowledged by another node than the promoted, within the time that
    /// the bar leaves for noticing it.
    pub(crate) handover: u64,
    /// The same, later.
    pub(crate) wrong: u64,
    /// Present more often than sent.
    pub(crate) doubled: u64,
    pub(crate) reads: u64,
    pub(crate) stale: u64,
    /// From the promotion (in a cold start: the proxy's start) to the first durable write.
    pub(crate) first_write: Option<f64>,
    /// From the first verdicts to the first durable write.
    pub(crate) after_verdicts: Option<f64>,
    /// Longest time without a durable write, and whether it lasted until the end.
    pub(crate) write_gap: f64,
    pub(crate) gap_open: bool,
    /// Longest that one client waited for its answer.
    pub(crate) write_wait: f64,
    pub(crate) read_wait: f64,
    pub(crate) write_troubles: BTreeMap<String, u64>,
    pub(crate) read_troubles: BTreeMap<String, u64>,
    /// READONLY errors on one connection, at most.
    pub(crate) most_readonly: u64,
    /// Connections that ended against the will of their clients.
    pub(crate) cut: u64,
    /// Elections by rolecall while the clients were at work.
    pub(crate) elections: Option<u64>,
    /// Longest that the machine itself stood still.
    pub(crate) hiccup: f64,
    /// Whether all nodes agreed in the end.
    pub(crate) settled: bool,
    /// Where the longest waits were, in seconds of the timeline.
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    /// Troubles of this kind, of writers and readers.
    pub(crate) fn troubles(&self, fits: impl Fn(&str) -> bool) -> u64 {
        let all = self.write_troubles.iter().chain(&self.read_troubles);
        all.filter(|(kind, _)| fits(kind)).map(|(_, n)| n).sum()
    }

    /// Connections that were refused: by the system, or by rolecall with an error line that says why. One
    /// that is closed without a word ("turned away") is how HAProxy refuses; rolecall always says it, so
    /// there it is a node that died with the request in its hands.
    pub(crate) fn refused(&self) -> u64 {
        self.troubles(|kind| kind == "refused" || kind.ends_with("by rolecall"))
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "acknowledged": self.acknowledged, "lost": self.lost, "lost_by_redis": self.lost_by_redis,
            "handover": self.handover, "wrong": self.wrong, "doubled": self.doubled,
            "reads": self.reads, "stale": self.stale, "first_write": self.first_write,
            "after_verdicts": self.after_verdicts, "write_gap": self.write_gap,
            "gap_open": self.gap_open, "write_wait": self.write_wait, "read_wait": self.read_wait,
            "write_troubles": self.write_troubles, "read_troubles": self.read_troubles,
            "most_readonly": self.most_readonly, "cut": self.cut,
            "hiccup": self.hiccup, "elections": self.elections, "settled": self.settled, "notes": self.notes,
        })
    }
}

/// Which writes are there, and how often: by writer and number.
struct Truth {
    counts: Vec<BTreeMap<u32, u64>>,
}

impl Truth {
    fn read(stage: &Stage, primary: usize) -> Self {
        let mut conn = Conn::open(stage.group.nodes[primary].address, STUCK).expect("the primary");
        let mut counts = vec![BTreeMap::new(); WRITERS];
        for (writer, counts) in counts.iter_mut().enumerate() {
            let reply = conn
                .ask(&["LRANGE", &key(writer), "0", "-1"])
                .expect("LRANGE");
            for item in reply.items() {
                let number = item.text().and_then(|text| text.parse().ok());
                *counts.entry(number.expect("a number")).or_default() += 1;
            }
        }
        Self { counts }
    }

    fn has(&self, ack: &Answer) -> bool {
        self.counts[ack.writer].contains_key(&ack.number)
    }

    fn doubled(&self) -> u64 {
        let all = self.counts.iter().flat_map(BTreeMap::values);
        all.map(|count| count - 1).sum()
    }
}

/// Judges a run whose clients have ended.
pub(crate) fn judge(
    stage: &Stage,
    scenario: Scenario,
    diaries: &Diaries,
    primary: Option<usize>,
) -> Outcome {
    let mut outcome = Outcome {
        settled: primary.is_some(),
        hiccup: stage.hiccup.as_secs_f64(),
        write_troubles: troubles(&diaries.writers),
        read_troubles: troubles(&diaries.readers),
        ..Outcome::default()
    };
    outcome.clients(stage, diaries);
    if let [Some(before), Some(after)] = stage.elections {
        outcome.elections = Some(after - before);
    }
    let promotions = stage.watch.promotions();
    let last = promotions.last().map_or(0, |promotion| promotion.node);
    let truth = Truth::read(stage, primary.unwrap_or(last));
    outcome.doubled = truth.doubled();
    let mut durable: Vec<Answer> = Vec::new();
    for ack in diaries.writers.iter().flat_map(|diary| &diary.answers) {
        outcome.acknowledged += 1;
        let is_wrong = outcome.blame(stage, &promotions, ack);
        if truth.has(ack) {
            durable.push(*ack);
        } else {
            outcome.lost += 1;
            outcome.lost_by_redis += u64::from(!is_wrong);
        }
    }
    durable.sort_by_key(|ack| ack.at);
    outcome.gaps(stage, &durable);
    outcome.first(stage, scenario, &promotions, &durable);
    outcome.stale(diaries, &durable);
    outcome
}

impl Outcome {
    fn clients(&mut self, stage: &Stage, diaries: &Diaries) {
        let longest = |diaries: &[Diary]| {
            let longest = diaries.iter().max_by_key(|diary| diary.longest_wait);
            longest.map_or((0.0, 0.0), |diary| {
                let until = diary.waited_until.unwrap_or(stage.began);
                (diary.longest_wait.as_secs_f64(), since(stage, until))
            })
        };
        let (wait, until) = longest(&diaries.writers);
        self.write_wait = wait;
        self.notes.push(format!("a writer waited until {until:.3}"));
        let (wait, until) = longest(&diaries.readers);
        self.read_wait = wait;
        self.notes.push(format!("a reader waited until {until:.3}"));
        for diary in diaries.writers.iter().chain(&diaries.readers) {
            self.most_readonly = self.most_readonly.max(diary.most_readonly);
            self.cut += diary.cut;
        }
        let reads = diaries.readers.iter().map(|diary| diary.answers.len());
        self.reads = count(reads.sum());
    }

    /// Whether a write was acknowledged by a node that was not the rightful primary when it was sent.
    fn blame(&mut self, stage: &Stage, promotions: &[Promotion], ack: &Answer) -> bool {
        let before = promotions.iter().rev().find(|p| p.at <= ack.sent);
        // At the beginning the first node is the primary.
        let rightful = before.map_or(0, |promotion| promotion.node);
        if stage.group.nodes[rightful].address.port() == ack.port {
            return false;
        }
        let port_of = |p: &Promotion| stage.group.nodes[p.node].address.port();
        if promotions
            .iter()
            .any(|p| port_of(p) == ack.port && p.since <= ack.sent && ack.sent < p.at)
        {
            return false;
        }
        let notice = stage.proxy.candidate.notice();
        if before.is_some_and(|promotion| ack.sent <= promotion.at + notice) {
            self.handover += 1;
        } else {
            self.wrong += 1;
        }
        true
    }

    fn gaps(&mut self, stage: &Stage, durable: &[Answer]) {
        let (start, end) = stage.under_load();
        let mut moments = vec![start];
        moments.extend(durable.iter().map(|ack| ack.at));
        moments.push(end);
        let gaps = moments
            .windows(2)
            .map(|pair| (pair[1].saturating_duration_since(pair[0]), pair));
        let Some((gap, pair)) = gaps.max_by_key(|(gap, _)| *gap) else {
            return;
        };
        self.write_gap = gap.as_secs_f64();
        self.gap_open = pair[1] == end;
        let from = since(stage, pair[0]);
        self.notes.push(format!("no durable write from {from:.3}"));
    }

    fn first(
        &mut self,
        stage: &Stage,
        scenario: Scenario,
        promotions: &[Promotion],
        durable: &[Answer],
    ) {
        let seconds = |from: Instant, ack: &Answer| {
            Some(ack.at.saturating_duration_since(from).as_secs_f64())
        };
        if scenario.promotes() {
            // Without a promotion there is nothing to measure.
            let Some(promotion) = promotions.first() else {
                return;
            };
            let port = stage.group.nodes[promotion.node].address.port();
            let at_it = |ack: &&Answer| ack.port == port && ack.sent >= promotion.since;
            let first = durable.iter().find(at_it);
            self.first_write = first.and_then(|ack| seconds(promotion.at, ack));
        } else if let (true, Some(started)) = (scenario.is_cold(), stage.started) {
            let first = durable.first();
            self.first_write = first.and_then(|ack| seconds(started, ack));
            self.after_verdicts = first.and_then(|ack| seconds(stage.ready?, ack));
        }
    }

    fn stale(&mut self, diaries: &Diaries, durable: &[Answer]) {
        let mut of_writer: Vec<Vec<&Answer>> = vec![Vec::new(); WRITERS];
        for ack in durable {
            of_writer[ack.writer].push(ack);
        }
        for read in diaries.readers.iter().flat_map(|diary| &diary.answers) {
            let acks = &of_writer[read.writer];
            let old = acks.partition_point(|ack| ack.at + STALE <= read.sent);
            let must_see = acks[..old].last().map_or(0, |ack| ack.number);
            self.stale += u64::from(read.number < must_see);
        }
    }
}

fn troubles(diaries: &[Diary]) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (kind, number) in diaries.iter().flat_map(|diary| &diary.troubles) {
        *all.entry(kind.clone()).or_default() += number;
    }
    all
}

fn since(stage: &Stage, moment: Instant) -> f64 {
    moment.saturating_duration_since(stage.began).as_secs_f64()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

//! The task of one Sentinel: it listens to what the Sentinel announces and asks whom it names.
//!
//! It owns two connections and no judgement. The subscription stays open, is asked for a sign of life
//! when it is quiet, and is made anew with growing pauses; the question is asked on a connection of its
//! own at the start, after each announcement, when the subscription comes or goes, and every ten seconds.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::checker::login;
use super::connection::Connection;
use super::question;
use super::resolve::{self, Resolver};
use crate::config::model::{Address, Credentials};
use crate::core::discovery::Listed;
use crate::core::sentinel::{SentinelNews, SentinelReport, Vote};
use crate::core::snapshot::Target;
use crate::redis::listing::What;
use crate::redis::sentinel::{Heard, Subscription};

/// From one question to the next when nothing happens.
const EVERY: Duration = Duration::from_secs(10);

/// The least time between two questions: announcements come in swarms.
const SWARM: Duration = Duration::from_millis(50);

/// For one question or one subscription, dial and look-up included.
const DEADLINE: Duration = Duration::from_secs(2);

/// After how long without a word a subscription is asked for a sign of life.
const QUIET: Duration = Duration::from_secs(5);

/// The first and the longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Bytes read at a time.
const CHUNK: usize = 4 * 1024;

/// All that the task needs.
#[derive(Debug)]
pub struct SentinelTask {
    /// Its place in the configuration; goes into every report.
    pub index: usize,
    /// Where it is, as configured.
    pub address: Address,
    /// The name of our group, for the log.
    pub group: Arc<str>,
    /// The name that Sentinels give to it.
    pub master_name: Arc<str>,
    /// For AUTH at the Sentinel; none sends none.
    pub auth: Option<Credentials>,
    /// Whether it is also asked which nodes it knows.
    pub discover: bool,
    /// Where all goes that it learns. The task ends when nobody reads it.
    pub reports: mpsc::Sender<FromSentinel>,
    /// Ends the task at once.
    pub cancel: CancellationToken,
}

/// What the task tells.
#[derive(Clone, Debug)]
pub enum FromSentinel {
    /// What the Sentinel with this index answered, or that it did not.
    Report(usize, SentinelReport),
    /// Which nodes it lists, none when it does not say. Comes after a report of a vote.
    Lists(usize, Option<Vec<Listed>>),
    /// It announced something about the group.
    News(SentinelNews),
}

/// Nobody reads the reports any more.
struct Unheard;

/// Why a subscription ended.
enum End {
    /// The Sentinel does not let us listen; what it said.
    Refused(String),
    /// It is not there, or not there any more.
    Lost,
    Unheard,
}

/// The task at work.
struct Running {
    task: SentinelTask,
    resolver: Resolver,
    /// Where it accepted a connection last.
    dialled: Mutex<Option<Target>>,
    /// Rung when the Sentinel may have changed its mind.
    stirred: Notify,
}

/// Growing pauses, with some spread so that many proxies do not come back at once.
struct Backoff(Duration);

impl SentinelTask {
    /// Listens and asks until it is cancelled. Needs a tokio runtime with time and I/O.
    pub async fn run(self) {
        let cancel = self.cancel.clone();
        let running = Running {
            resolver: Resolver::new(&self.address, None, resolve::system()),
            dialled: Mutex::default(),
            task: self,
            stirred: Notify::new(),
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            _ = running.ask() => {}
            () = running.listen() => {}
        }
    }
}

impl Running {
    async fn ask(&self) -> Result<(), Unheard> {
        let mut told = None;
        let mut backoff = Backoff::new();
        loop {
            let (report, list) = self.question().await;
            let votes = matches!(report, SentinelReport::Votes(_));
            self.log_changes(&report, &mut told);
            let pause = if matches!(report, SentinelReport::Unreachable(_)) {
                backoff.next()
            } else {
                backoff = Backoff::new();
                EVERY
            };
            self.tell(FromSentinel::Report(self.task.index, report))
                .await?;
            if votes && self.task.discover {
                self.tell(FromSentinel::Lists(self.task.index, list))
                    .await?;
            }
            sleep(SWARM).await;
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stirred.notified() => {}
            }
        }
    }

    /// Whom it names, and which nodes it lists if that is asked too.
    async fn question(&self) -> (SentinelReport, Option<Vec<Listed>>) {
        let deadline = Instant::now() + DEADLINE;
        let unreachable = |why: Arc<str>| (SentinelReport::Unreachable(why), None);
        let asked = async {
            let mut connection = match self.dial(deadline).await {
                Ok(connection) => connection,
                Err(why) => return unreachable(why),
            };
            let (auth, name) = (self.task.auth.as_ref(), &self.task.master_name);
            let report = question::vote(&mut connection, auth, name).await;
            let list = match &report {
                SentinelReport::Votes(vote) if self.task.discover => {
                    self.ask_replicas(&mut connection, vote).await
                }
                _ => None,
            };
            (report, list)
        };
        timeout_at(deadline, asked)
            .await
            .unwrap_or_else(|_| unreachable("did not answer in time".into()))
    }

    /// All nodes that it knows: the replicas, and the primary that it names.
    async fn ask_replicas(&self, connection: &mut Connection, vote: &Vote) -> Option<Vec<Listed>> {
        let replicas = What::Replicas(&self.task.master_name);
        let answer = question::list(connection, replicas).await?;
        match answer {
            Ok(entries) => {
                let listed = entries.into_iter().map(|entry| entry.listed);
                let mut list: Vec<Listed> = listed.collect();
                list.push(Listed {
                    address: vote.address.clone(),
                    run_id: vote.run_id.clone(),
                });
                Some(list)
            }
            Err(why) => {
                let address = &self.task.address;
                tracing::warn!(
                    target: "rolecall::sentinel", group = %self.task.group,
                    "Sentinel {address} does not list its replicas: {why}; discover needs SENTINEL REPLICAS"
                );
                None
            }
        }
    }

    async fn listen(&self) {
        let mut backoff = Backoff::new();
        let mut refused = false;
        loop {
            let end = self.subscribe(&mut backoff).await;
            // Whether it is there at all is found, and told, by the question.
            self.stirred.notify_one();
            match end {
                End::Unheard => return,
                End::Refused(said) if !refused => {
                    refused = true;
                    tracing::warn!(
                        target: "rolecall::sentinel", group = %self.task.group,
                        "Sentinel {} does not let us subscribe: {said}; it is asked now and then only",
                        self.task.address
                    );
                }
                End::Lost | End::Refused(_) => {}
            }
            sleep(backoff.next()).await;
        }
    }

    /// One subscription, from its dial to its end.
    async fn subscribe(&self, backoff: &mut Backoff) -> End {
        let deadline = Instant::now() + DEADLINE;
        let Ok(Ok(mut connection)) = timeout_at(deadline, self.dial(deadline)).await else {
            return End::Lost;
        };
        let login = self.task.auth.as_ref().map(login);
        let (mut subscription, request) = Subscription::new(login, &self.task.master_name);
        if send(&mut connection, &request).await.is_err() {
            return End::Lost;
        }
        let mut chunk = [0; CHUNK];
        let mut awaits = true;
        let mut due = deadline;
        loop {
            let length = tokio::select! {
                read = connection.read(&mut chunk) => match read {
                    Ok(0) | Err(_) => return End::Lost,
                    Ok(length) => length,
                },
                () = sleep_until(due) => {
                    // Nothing since we asked: the connection is half open, or the Sentinel hangs.
                    if awaits || send(&mut connection, &Subscription::ping()).await.is_err() {
                        return End::Lost;
                    }
                    awaits = true;
                    due = Instant::now() + DEADLINE;
                    continue;
                }
            };
            match subscription.feed(chunk.get(..length).unwrap_or_default()) {
                Err(said) => return End::Refused(said),
                Ok(heard) => {
                    if self.take(heard, backoff).await.is_err() {
                        return End::Unheard;
                    }
                }
            }
            awaits = false;
            due = Instant::now() + QUIET;
        }
    }

    async fn take(&self, heard: Vec<Heard>, backoff: &mut Backoff) -> Result<(), Unheard> {
        for what in heard {
            match what {
                Heard::Pong => {}
                Heard::Subscribed => {
                    *backoff = Backoff::new();
                    self.stirred.notify_one();
                }
                Heard::News(news) => {
                    self.tell(FromSentinel::News(news)).await?;
                    self.stirred.notify_one();
                }
            }
        }
        Ok(())
    }

    async fn dial(&self, deadline: Instant) -> Result<Connection, Arc<str>> {
        let (connection, target) = question::dial(&self.resolver, deadline).await?;
        let mut dialled = self.dialled.lock().unwrap_or_else(PoisonError::into_inner);
        let before = dialled.replace(target.clone());
        if let Some(before) = before.filter(|before| *before != target) {
            tracing::info!(
                target: "rolecall::sentinel", group = %self.task.group,
                "Sentinel {} is dialled at {target}, and no longer at {before}", self.task.address
            );
        }
        Ok(connection)
    }

    /// Each change once: what is the same as before is no news.
    fn log_changes(&self, report: &SentinelReport, told: &mut Option<String>) {
        let (address, name) = (&self.task.address, &self.task.master_name);
        let (trouble, text) = match report {
            SentinelReport::Votes(vote) => (
                false,
                format!("Sentinel {address} names {} as the primary", vote.address),
            ),
            SentinelReport::UnknownName => (
                true,
                format!(
                    "Sentinel {address} watches no group named {name}: correct name under sentinel, or \
                     have it monitor that group"
                ),
            ),
            SentinelReport::NotASentinel(what) => (
                true,
                format!("{address} is listed under sentinel and is no Sentinel: {what}"),
            ),
            SentinelReport::Denied(said) => (
                true,
                format!("Sentinel {address} refuses us: {said}: correct auth under sentinel"),
            ),
            SentinelReport::Unreachable(why) => (true, format!("Sentinel {address} {why}")),
        };
        // One that is away is away, whatever the network says of it this time.
        let key = match report {
            SentinelReport::Unreachable(_) => String::new(),
            _ => text.clone(),
        };
        if told.as_ref() == Some(&key) {
            return;
        }
        *told = Some(key);
        let group = &*self.task.group;
        if trouble {
            tracing::warn!(target: "rolecall::sentinel", group, "{text}");
        } else {
            tracing::info!(target: "rolecall::sentinel", group, "{text}");
        }
    }

    async fn tell(&self, news: FromSentinel) -> Result<(), Unheard> {
        self.task.reports.send(news).await.map_err(|_| Unheard)
    }
}

/// Writes a few bytes, within the deadline.
async fn send(connection: &mut Connection, bytes: &[u8]) -> Result<(), ()> {
    let written = timeout_at(Instant::now() + DEADLINE, connection.write_all(bytes)).await;
    written.map_err(|_| ())?.map_err(|_| ())
}

impl Backoff {
    fn new() -> Self {
        Self(PAUSES.0)
    }

    /// The next pause: twice the last one, less up to a quarter of it.
    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSES.1);
        let random = u32::try_from(RandomState::new().hash_one(0) % 250).unwrap_or_default();
        pause * (1000 - random) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_are_spread() {
        let mut backoff = Backoff::new();
        let mut longest = PAUSES.0;
        let mut all = Vec::new();
        for _ in 0..40 {
            let pause = backoff.next();
            assert!(pause <= longest && pause >= longest * 3 / 4, "{pause:?}");
            longest = (longest * 2).min(PAUSES.1);
            all.push(pause);
        }
        assert_eq!(longest, PAUSES.1);
        all.dedup();
        assert!(all.len() > 10, "{all:?}");
    }
}

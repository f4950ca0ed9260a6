//! A node or a Sentinel that is asked now, once or a few times, for somebody who waits for the answer
//! (`rolecall check --connect`, `rolecall init`).
//!
//! The same dial, the same exchange and the same reading of the answers as in the tasks that check for a
//! running proxy; without a task, a pace, a subscription or a log. Nothing is ever written to a node but
//! AUTH, PING and INFO, and to a Sentinel but AUTH and `SENTINEL MASTER`, `REPLICAS`, `SENTINELS` and `MASTERS`.
//! The connection ends with the value.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::checker::Checker;
use super::pacing::after;
use super::question;
use super::resolve::{self, Place, Resolver};
use super::wake::By;
use crate::clock;
use crate::config::model::{Address, Credentials};
use crate::core::facts::HostPort;
use crate::core::outcome::{Outcome, Report};
use crate::core::sentinel::SentinelReport;
use crate::core::snapshot::Target;
use crate::redis::listing::{Entry, What};
use crate::redis::product::Product;

/// From one try to the next of a node that was silent.
pub const PAUSE: Duration = Duration::from_millis(50);

/// A node that is asked.
pub struct NodeAsker {
    resolver: Resolver,
    checker: Checker,
}

/// What one question to a node brought.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where it was dialled; none when its name could not be looked up.
    pub target: Option<Target>,
    /// How the check ended; an error says what ran out here, which says nothing of the node.
    pub report: Result<Report, Arc<str>>,
}

/// What a Sentinel said.
#[derive(Clone, Debug)]
pub struct SentinelSaid {
    /// Whom it names, or why it does not say.
    pub report: SentinelReport,
    /// Where it accepted a connection.
    pub target: Option<Target>,
    /// The replicas of the group; none when it did not say.
    pub replicas: Option<Vec<Entry>>,
    /// The other Sentinels of the group; none when it did not say.
    pub sentinels: Option<Vec<Entry>>,
    /// All groups that it watches, asked of one that does not know ours; none when it did not say.
    pub masters: Option<Vec<Entry>>,
}

impl NodeAsker {
    /// For the node at an address. Call it within a runtime.
    pub fn new(address: &Address, auth: Option<Credentials>) -> Self {
        Self {
            resolver: Resolver::new(address, None, resolve::system()),
            checker: Checker::new(auth, address.to_string().into()),
        }
    }

    /// One check of each other address that the name has beside the one in use.
    pub fn elsewhere(&self, timeout: Duration) -> impl Future<Output = Vec<Asked>> + use<> {
        let others = self.resolver.place().others.into_iter();
        let askers: Vec<Self> = others
            .map(|target| Self {
                checker: self.checker.afresh(),
                resolver: Resolver::fixed(target),
            })
            .collect();
        all(askers
            .into_iter()
            .map(move |mut asker| async move { asker.ask(timeout).await }))
    }

    /// One check, on the connection of the last one if that is still good.
    pub async fn ask(&mut self, timeout: Duration) -> Asked {
        let (started, deadline) = (clock::now(), after(Instant::now(), timeout));
        let report = |outcome, dialled| Report {
            started,
            finished: clock::now(),
            dialled,
            outcome,
        };
        let place = self.place(deadline).await;
        let Some(target) = place.target else {
            let why = place.failure;
            let why = why.unwrap_or_else(|| "the name server has not answered yet".into());
            return Asked {
                target: None,
                report: Ok(report(Outcome::Unresolved(why), false)),
            };
        };
        let checked = self
            .checker
            .check(
                &target,
                &place.others,
                By::Connection,
                deadline,
                &self.resolver,
            )
            .await;
        // Where the name has left that address meanwhile, the next question goes elsewhere.
        self.resolver.prefer(&checked.target);
        Asked {
            target: Some(checked.target),
            report: match checked.outcome {
                Ok(outcome) => Ok(report(outcome, checked.dialled)),
                Err(error) => Err(error.to_string().into()),
            },
        }
    }

    /// Checks until it says something, so many times at most: silence proves nothing at once (R8), and
    /// neither does a connection that is closed (R11).
    pub async fn insist(&mut self, timeout: Duration, times: u32) -> Asked {
        let mut tries = 1;
        loop {
            let asked = self.ask(timeout).await;
            let silent = asked.report.as_ref().is_ok_and(|report| {
                matches!(
                    report.outcome.counts_as(),
                    Outcome::TimedOut(_) | Outcome::Closed
                )
            });
            // A name server that is slower than one check is not dead yet either.
            let looked_up = self.resolver.place() != Place::default();
            if tries >= times || (looked_up && !silent) {
                return asked;
            }
            tries += 1;
            sleep(PAUSE).await;
        }
    }

    /// The product that answered.
    pub fn product(&self) -> Option<Product> {
        self.checker.product()
    }

    /// The replicas that it listed in its last answer.
    pub fn followers(&self) -> Vec<HostPort> {
        self.checker.followers()
    }

    /// Where it is; waits for the first answer of the name server, no longer than `deadline`.
    async fn place(&self, deadline: Instant) -> Place {
        let place = self.resolver.place();
        if place == Place::default() {
            let _ = timeout_at(deadline, self.resolver.news(&place)).await;
        }
        self.resolver.place()
    }
}

/// Asks a Sentinel whom it names as the primary of the group that it calls so, and what it knows of that
/// group. Ends within `timeout`.
pub async fn ask_sentinel(
    address: &Address,
    auth: Option<&Credentials>,
    master_name: &str,
    timeout: Duration,
) -> SentinelSaid {
    let deadline = after(Instant::now(), timeout);
    let late = SentinelReport::Unreachable("did not accept a connection in time".into());
    let mut said = SentinelSaid::only(late);
    // What was said before the deadline counts, whatever it was too late for.
    let _ = timeout_at(
        deadline,
        converse(&mut said, address, auth, master_name, deadline),
    )
    .await;
    said
}

async fn converse(
    said: &mut SentinelSaid,
    address: &Address,
    auth: Option<&Credentials>,
    master_name: &str,
    deadline: Instant,
) {
    let resolver = Resolver::new(address, None, resolve::system());
    let mut connection = match question::dial(&resolver, deadline).await {
        Ok((connection, target)) => {
            said.target = Some(target);
            connection
        }
        Err(why) => {
            said.report = SentinelReport::Unreachable(why);
            return;
        }
    };
    said.report = SentinelReport::Unreachable("did not answer in time".into());
    said.report = question::vote(&mut connection, auth, master_name).await;
    match &said.report {
        SentinelReport::Votes(_) => {
            for what in [What::Replicas(master_name), What::Sentinels(master_name)] {
                let Some(answer) = question::list(&mut connection, what).await else {
                    return;
                };
                match what {
                    What::Sentinels(_) => said.sentinels = answer.ok(),
                    _ => said.replicas = answer.ok(),
                }
            }
        }
        SentinelReport::UnknownName => {
            let answer = question::list(&mut connection, What::Masters).await;
            said.masters = answer.and_then(Result::ok);
        }
        _ => {}
    }
}

impl SentinelSaid {
    fn only(report: SentinelReport) -> Self {
        Self {
            report,
            target: None,
            replicas: None,
            sentinels: None,
            masters: None,
        }
    }
}

/// Runs all at the same time, and gives what they give in their order. A panic in one of them goes on here.
pub async fn all<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (place, future) in futures.into_iter().enumerate() {
        tasks.spawn(async move { (place, future.await) });
    }
    let mut results = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(result) => results.push(result),
            // A bug of ours is not told as a fault of a node.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

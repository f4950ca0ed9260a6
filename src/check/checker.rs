//! One check after the other of one node, on one connection for as long as that lasts.
//!
//! It owns the connection and what is known of the process behind it. A connection that the node closes
//! under a check is replaced within the same check and deadline: only a new connection that is closed too
//! says something (R11). Each tenth check dials anyway, which proves that the node still accepts.
//!
//! Where the address in use fails, [`super::reach`] says whether the other addresses of the name are tried,
//! within the same check and deadline.

use std::io;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, DialError, Lost};
use super::reach::{self, Limits, Reach};
use super::resolve::Resolver;
use super::wake::By;
use crate::config::model::Credentials;
use crate::core::facts::HostPort;
use crate::core::outcome::{Outcome, Stage};
use crate::core::snapshot::Target;
use crate::redis::followers::followers;
use crate::redis::probe::{Fate, Known, Login, Opening, Probe};
use crate::redis::product::Product;

/// How many checks one connection serves.
const CHECKS_PER_CONNECTION: u32 = 10;

/// Checks one node.
pub(super) struct Checker {
    auth: Option<Credentials>,
    /// As configured, for words and for a node without a `run_id`.
    address: Arc<str>,
    link: Option<Link>,
    known: Known,
    reach: Reach,
    /// Time-outs until an address that has answered is given up (R8).
    fall: u32,
    /// INFO replication of the last check, as it came.
    replication: String,
}

/// How a check ended.
pub(super) struct Checked {
    /// What it says of the node; an error where something ran out on our own side, which says nothing.
    pub(super) outcome: Result<Outcome, io::Error>,
    /// The answer came over a new connection.
    pub(super) dialled: bool,
    /// The address that it is about: another than the first one only where that answered.
    pub(super) target: Target,
}

/// How a check of one address ended.
struct Tried {
    outcome: Result<Outcome, io::Error>,
    dialled: bool,
}

/// A connection that is in step: all that was asked on it has been answered.
struct Link {
    connection: Connection,
    checks: u32,
}

impl Checker {
    pub(super) fn new(auth: Option<Credentials>, address: Arc<str>) -> Self {
        Self {
            auth,
            address,
            link: None,
            known: Known::default(),
            reach: Reach::default(),
            fall: 1,
            replication: String::new(),
        }
    }

    /// The same for a node that was known at an address, and that `fall` time-outs make go elsewhere.
    #[must_use]
    pub(super) fn known_at(mut self, home: Option<Target>, fall: u32) -> Self {
        self.reach = Reach::of(home);
        self.fall = fall;
        self
    }

    /// Another for a node of the same group, of which nothing is known.
    pub(super) fn afresh(&self) -> Self {
        Self::new(self.auth.clone(), Arc::clone(&self.address))
    }

    /// The product that answered last.
    pub(super) fn product(&self) -> Option<Product> {
        self.known.product()
    }

    /// The replicas that it listed in the last check.
    pub(super) fn followers(&self) -> Vec<HostPort> {
        followers(&self.replication)
    }

    /// Drops the connection.
    pub(super) fn hang_up(&mut self) {
        self.link = None;
    }

    /// Ends when the node closes the connection, or speaks unasked; never while there is none.
    pub(super) async fn lost(&self) {
        match &self.link {
            Some(link) => link.connection.lost().await,
            None => std::future::pending().await,
        }
    }

    /// Checks the node at its address in use, else at the others, in any case until `deadline`. When dropped
    /// before, the connection goes too.
    pub(super) async fn check(
        &mut self,
        target: &Target,
        others: &[Target],
        by: By,
        deadline: Instant,
        resolver: &Resolver,
    ) -> Checked {
        let mut spare = self.link.take();
        let mut reused = None;
        if let Some(link) = spare.take_if(|link| link.serves(by)) {
            reused = self.exchange(link, Opening::Reused, deadline).await.ok();
        }
        let checked = if let Some(outcome) = reused {
            Checked {
                outcome: Ok(outcome),
                dialled: false,
                target: target.clone(),
            }
        } else {
            resolver.refresh();
            self.dial_all(target, others, spare, deadline).await
        };
        if let Ok(outcome) = &checked.outcome {
            self.reach.note(&checked.target, outcome);
        }
        checked
    }

    /// Checks on a new connection to the address in use, else to the first of the others that answers.
    async fn dial_all(
        &mut self,
        target: &Target,
        others: &[Target],
        spare: Option<Link>,
        deadline: Instant,
    ) -> Checked {
        let limits = self.reach.limits(target, self.fall, others.len(), deadline);
        let known = self.known.clone();
        let first = self.dial(target, spare, limits).await;
        let checked = |tried: Tried, target: &Target| Checked {
            outcome: tried.outcome,
            dialled: tried.dialled,
            target: target.clone(),
        };
        let outcome = match &first.outcome {
            Ok(outcome) if !others.is_empty() => outcome.clone(),
            _ => return checked(first, target),
        };
        if !self.reach.gives_up(target, &outcome, self.fall) {
            return checked(first, target);
        }
        let mut all = vec![(target.clone(), outcome.clone())];
        for (index, other) in others.iter().enumerate() {
            let limits = Limits::all(reach::share(deadline, others.len() - index));
            self.link = None;
            let tried = self.dial(other, None, limits).await;
            match &tried.outcome {
                Ok(outcome) if !outcome.is_answer() => all.push((other.clone(), outcome.clone())),
                _ => return checked(tried, other),
            }
        }
        // Nothing of what was there says anything of the node.
        self.link = None;
        self.known = known;
        Checked {
            outcome: Ok(Outcome::AtNoAddress(
                Box::new(outcome),
                reach::in_words(&all).into(),
            )),
            dialled: true,
            target: target.clone(),
        }
    }

    /// Checks on a new connection. `spare` is the one before, which is still good.
    async fn dial(&mut self, target: &Target, spare: Option<Link>, limits: Limits) -> Tried {
        let deadline = limits.answer;
        let outcome = match timeout_at(limits.accept, Connection::dial(target)).await {
            Err(_) => Ok(Outcome::TimedOut(Stage::Connect)),
            Ok(Err(DialError::Node(outcome))) => Ok(outcome),
            Ok(Err(DialError::Ourselves(error))) => {
                return self.make_do(spare, error, deadline).await;
            }
            Ok(Ok(connection)) => {
                let link = Link {
                    connection,
                    checks: 0,
                };
                let auth = self.auth.clone();
                let opening = Opening::Fresh(auth.as_ref().map(login));
                match self.exchange(link, opening, deadline).await {
                    Ok(outcome) => Ok(outcome),
                    Err(Lost) => Ok(Outcome::Closed),
                }
            }
        };
        if matches!(outcome, Ok(Outcome::TooManyClients)) && self.link.is_none() {
            // The old connection may be one of those clients: given up now, it would not come back.
            self.link = spare;
        }
        Tried {
            outcome,
            dialled: true,
        }
    }

    /// We could not dial for want of something here: the connection of the last check will do.
    async fn make_do(&mut self, spare: Option<Link>, error: io::Error, deadline: Instant) -> Tried {
        let outcome = match spare {
            None => Err(error),
            Some(link) => match self.exchange(link, Opening::Reused, deadline).await {
                Ok(outcome) => Ok(outcome),
                Err(Lost) => Err(error),
            },
        };
        Tried {
            outcome,
            dialled: false,
        }
    }

    /// Asks and waits for the answers, and keeps the connection if it is in step afterwards.
    async fn exchange(
        &mut self,
        mut link: Link,
        opening: Opening<'_>,
        deadline: Instant,
    ) -> Result<Outcome, Lost> {
        let (mut probe, request) =
            Probe::new(opening, self.known.clone(), Arc::clone(&self.address));
        let exchange = link.connection.exchange(&mut probe, &request);
        let outcome = match timeout_at(deadline, exchange).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(lost)) => return Err(lost),
            Err(_) => probe.cut_off().unwrap_or(Outcome::TimedOut(Stage::Reply)),
        };
        self.replication = probe.take_replication();
        let (fate, known) = probe.finish();
        self.known = known;
        if fate == Fate::Keep {
            link.checks += 1;
            self.link = Some(link);
        }
        Ok(outcome)
    }
}

impl Link {
    fn serves(&self, by: By) -> bool {
        by == By::Connection && self.checks < CHECKS_PER_CONNECTION
    }
}

pub(super) fn login(credentials: &Credentials) -> Login<'_> {
    Login {
        username: credentials.username.as_deref(),
        password: credentials.password.expose(),
    }
}

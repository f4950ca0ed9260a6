//! Asks every node and every Sentinel of a configuration, all at the same time.
//!
//! How long that may take comes from the configuration itself: a node that is silent is asked as often as a
//! proxy would ask it before calling it down, `fall` times for `timeout`, but for ten seconds at most. Then
//! those that answered are asked once more on the same connection: only an offset that is younger than the
//! primary's tells a lag (R10). Nodes that only the Sentinels knew (`discover`) are asked in between.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::foretell;
use crate::check::ask::{self, Asked, NodeAsker, SentinelSaid, all, ask_sentinel};
use crate::check::new_group;
use crate::clock;
use crate::config::model::{Address, CheckConfig, Config, GroupConfig, ListenerConfig};
use crate::core::discovery::Change;
use crate::core::facts::HostPort;
use crate::core::ids::NodeId;
use crate::core::outcome::{Outcome, Report};
use crate::core::time::Moment;
use crate::redis::product::Product;

/// For one node at most, whatever the configuration says.
const LONGEST: Duration = Duration::from_secs(10);

/// For one Sentinel at least: as long as a proxy waits for one.
const SENTINEL: Duration = Duration::from_secs(2);

/// All that the members of one group said.
#[derive(Clone, Debug)]
pub(super) struct GroupAnswers {
    /// Before the first question.
    pub(super) began: Moment,
    /// After the last answer.
    pub(super) ended: Moment,
    /// In the order of the configuration; learned ones follow.
    pub(super) nodes: Vec<NodeAnswer>,
    /// In the order of the configuration.
    pub(super) sentinels: Vec<SentinelSaid>,
}

/// What one node said.
#[derive(Clone, Debug)]
pub(super) struct NodeAnswer {
    pub(super) id: NodeId,
    pub(super) name: Arc<str>,
    pub(super) address: Address,
    pub(super) local: bool,
    pub(super) learned: bool,
    pub(super) asked: Asked,
    /// The second answer, which tells a lag; none where there was no first one.
    pub(super) again: Option<Report>,
    pub(super) product: Option<Product>,
    /// What was said at the other addresses of its name.
    pub(super) elsewhere: Vec<Asked>,
}

/// A node, and the connection to it.
struct Contact {
    answer: NodeAnswer,
    asker: NodeAsker,
}

/// What it takes to ask a node.
#[derive(Clone, Copy)]
struct Patience {
    timeout: Duration,
    times: u32,
}

impl Patience {
    fn of(check: &CheckConfig) -> Self {
        let timeout = check.timeout.min(LONGEST);
        let fits = LONGEST.as_millis() / timeout.as_millis().max(1);
        let fits = u32::try_from(fits).unwrap_or(u32::MAX);
        Self {
            timeout,
            times: check.fall.min(fits).max(1),
        }
    }

    /// How long it is until a node is called silent.
    fn whole(self) -> Duration {
        self.timeout * self.times + ask::PAUSE * (self.times - 1)
    }
}

/// How long a node of the group is waited for before it is called silent.
pub(super) fn waits(group: &GroupConfig) -> Duration {
    Patience::of(&group.check).whole()
}

/// How long [`ask`] takes at most.
pub(super) fn deadline(config: &Config) -> Duration {
    let of_group = |group: &GroupConfig| {
        let patience = Patience::of(&group.check);
        let asks_sentinels = group.sentinel.is_some();
        let first = patience.whole().max(if asks_sentinels {
            SENTINEL
        } else {
            Duration::ZERO
        });
        let learns = group.sentinel.as_ref().is_some_and(|each| each.discover);
        let second = if learns {
            patience.whole()
        } else {
            Duration::ZERO
        };
        first + second + patience.timeout
    };
    config.groups.iter().map(of_group).max().unwrap_or_default()
}

/// Asks everybody. The answers come in the order of the configuration's groups.
pub(super) async fn ask(config: &Config) -> Vec<GroupAnswers> {
    // Numbers for those that are learned: of no group's written nodes.
    let nodes = config.groups.iter().flat_map(|group| &group.nodes);
    let first_free = nodes.map(|node| node.id.0.saturating_add(1)).max();
    let listeners = Arc::new(config.listeners.clone());
    let groups = config.groups.iter().enumerate().map(|(place, group)| {
        let (group, listeners) = (group.clone(), Arc::clone(&listeners));
        let room = u32::try_from(place).unwrap_or(0).saturating_mul(1000);
        let next = first_free.unwrap_or(0).saturating_add(room);
        async move { ask_group(&group, &listeners, next).await }
    });
    all(groups).await
}

async fn ask_group(
    group: &GroupConfig,
    listeners: &[ListenerConfig],
    mut next: u32,
) -> GroupAnswers {
    let began = clock::now();
    let patience = Patience::of(&group.check);
    let nodes = group.nodes.iter().map(|node| {
        let answer = (node.id, node.name.clone(), node.local, false);
        first_look(group, answer, node.address.clone(), patience)
    });
    let (mut contacts, sentinels) = tokio::join!(all(nodes), ask_sentinels(group));
    let mut answers = GroupAnswers {
        began,
        ended: clock::now(),
        nodes: contacts.iter().map(|each| each.answer.clone()).collect(),
        sentinels,
    };
    let fresh = new_group(listeners, group, began);
    let unknown = foretell::changes(fresh, group, &answers);
    let learned = unknown.into_iter().filter_map(|change| match change {
        Change::Learn(place) => Some(place),
        Change::Retire(_) | Change::Return(_) => None,
    });
    let learned: Vec<_> = learned
        .map(|place: HostPort| {
            let id = NodeId(next);
            next = next.saturating_add(1);
            let name = place.to_string().into();
            first_look(
                group,
                (id, name, false, true),
                Address::Tcp(place),
                patience,
            )
        })
        .collect();
    contacts.extend(all(learned).await);
    let second = contacts
        .into_iter()
        .map(|contact| second_look(contact, patience.timeout));
    answers.nodes = all(second).await;
    answers.ended = clock::now();
    answers
}

fn first_look(
    group: &GroupConfig,
    (id, name, local, learned): (NodeId, Arc<str>, bool, bool),
    address: Address,
    patience: Patience,
) -> impl Future<Output = Contact> + Send + use<> {
    let auth = group.auth.clone();
    async move {
        let mut asker = NodeAsker::new(&address, auth);
        let asked = asker.insist(patience.timeout, patience.times).await;
        let answer = NodeAnswer {
            id,
            name,
            address,
            local,
            learned,
            asked,
            again: None,
            product: asker.product(),
            elsewhere: Vec::new(),
        };
        Contact { answer, asker }
    }
}

/// Asks one that answered once more, and whoever answers at the other addresses of its name. What it says
/// then counts only if it says something: that it answered is known.
async fn second_look(contact: Contact, timeout: Duration) -> NodeAnswer {
    let Contact {
        mut answer,
        mut asker,
    } = contact;
    let answered = |report: &Report| matches!(report.outcome, Outcome::Answered(_));
    if answer.asked.report.as_ref().is_ok_and(answered) {
        let elsewhere = asker.elsewhere(timeout);
        let (again, elsewhere) = tokio::join!(asker.ask(timeout), elsewhere);
        answer.elsewhere = elsewhere;
        // At another address it is another process.
        let same = again.target == answer.asked.target;
        answer.again = again.report.ok().filter(|report| same && answered(report));
    }
    answer
}

async fn ask_sentinels(group: &GroupConfig) -> Vec<SentinelSaid> {
    let Some(sentinel) = &group.sentinel else {
        return Vec::new();
    };
    let timeout = waits(group).max(SENTINEL);
    let each = sentinel.addresses.iter().map(|address| {
        let (address, auth) = (address.clone(), sentinel.auth.clone());
        let name = sentinel.name.clone();
        async move { ask_sentinel(&address, auth.as_ref(), &name, timeout).await }
    });
    all(each).await
}

//! Reload: the file is read again, what is different is planned (`config::reload`), and carried out in the
//! data plane and in the checks. A file that is wrong, or an address that cannot be opened, changes
//! nothing and says why.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::spare_descriptors;
use crate::check::{Checks, NodeIds};
use crate::config;
use crate::config::model::{Address, Config, InForce, NodeConfig};
use crate::config::reload::{Numbers, plan};
use crate::core::group::Group;
use crate::core::ids::{GroupId, ListenerId, NodeId};
use crate::journal::{Happening, Journal};
use crate::metrics::{self, Reload};
use crate::proxy::Proxy;
use crate::telemetry::Switch;

/// What has changed, a line each; or why the file was refused, and nothing has.
pub(super) type Done = Result<Vec<String>, String>;

/// What a reload is carried out on.
pub(super) struct Parts<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) checks: &'a mut Checks,
    pub(super) level: &'a Switch,
    pub(super) journal: &'a Journal,
}

/// Reloads, one at a time.
pub(super) struct Reloader {
    in_force: watch::Sender<InForce>,
    numbers: Fresh,
}

/// Numbers that were never given.
struct Fresh {
    nodes: NodeIds,
    group: u32,
    listener: u32,
}

impl Reloader {
    /// Starts from a configuration that is in force.
    pub(super) fn new(path: &Path, config: Config, nodes: NodeIds) -> Self {
        let groups = config.groups.iter().map(|group| group.id.0);
        let listeners = config.listeners.iter().map(|listener| listener.id.0);
        Self {
            numbers: Fresh {
                nodes,
                group: groups.max().unwrap_or(0),
                listener: listeners.max().unwrap_or(0),
            },
            in_force: watch::Sender::new(InForce {
                config: Arc::new(config),
                path: path.to_owned(),
                loaded: SystemTime::now(),
                refused: None,
            }),
        }
    }

    /// What is in force, now and later.
    pub(super) fn watch(&self) -> watch::Receiver<InForce> {
        self.in_force.subscribe()
    }

    /// Reads the file again and goes on with it. Says what has changed, a line each.
    ///
    /// # Errors
    /// Why the file was refused; nothing has changed then.
    pub(super) async fn reload(&mut self, parts: Parts<'_>) -> Done {
        let journal = parts.journal.clone();
        let done = self.try_reload(parts).await;
        match &done {
            Ok(changes) => {
                metrics::config_reloaded(Reload::Applied);
                journal.record(Happening::Reloaded {
                    changes: changes
                        .iter()
                        .map(|change| change.as_str().into())
                        .collect(),
                });
            }
            Err(why) => {
                metrics::config_reloaded(Reload::Refused);
                self.in_force
                    .send_modify(|in_force| in_force.refused = Some(why.as_str().into()));
                journal.record(Happening::ReloadRefused {
                    why: why.as_str().into(),
                });
            }
        }
        done
    }

    async fn try_reload(&mut self, parts: Parts<'_>) -> Done {
        let before = self.in_force.borrow().clone();
        let read = config::load(&before.path).map_err(|problems| problems.to_string())?;
        let known = with_learned(&before.config, &parts.checks.control().look().await);
        let plan = plan(&before.config, &known, read, &mut self.numbers);
        let next = plan.config;
        parts
            .proxy
            .reload(next.listeners.clone(), spare_descriptors(&next))
            .await
            .map_err(|error| error.to_string())?;
        parts.checks.reload(&next, next.grace).await;
        // An operator may have set another one since, which an unrelated change leaves alone.
        if next.log.level != before.config.log.level {
            parts.level.configure(next.log.level);
        }
        self.in_force.send_replace(InForce {
            config: Arc::new(next),
            path: before.path,
            loaded: SystemTime::now(),
            refused: None,
        });
        Ok(plan.changes.into_iter().map(|change| change.text).collect())
    }
}

/// A configuration with the nodes that were learned since: written down, they are the same nodes.
fn with_learned(config: &Config, groups: &[Group]) -> Config {
    let mut known = config.clone();
    for group in groups {
        let id = group.view().id;
        let Some(place) = known.groups.iter_mut().find(|known| known.id == id) else {
            continue;
        };
        for node in group.nodes().iter().filter(|node| node.learned) {
            if let Some(address) = node.settings.address.clone() {
                place.nodes.push(NodeConfig {
                    id: node.settings.id,
                    name: node.settings.name.clone(),
                    address: Address::Tcp(address),
                    local: false,
                    weight: node.settings.weight,
                });
            }
        }
    }
    known
}

impl Numbers for Fresh {
    fn node(&mut self) -> NodeId {
        self.nodes.next()
    }

    fn group(&mut self) -> GroupId {
        self.group += 1;
        GroupId(self.group)
    }

    fn listener(&mut self) -> ListenerId {
        self.listener += 1;
        ListenerId(self.listener)
    }
}

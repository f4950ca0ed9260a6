//! `/api/status`: everything that is known at one moment, put into the words of [`crate::api`].
//!
//! Nothing is decided or remembered here. Verdicts and reasons are the core's; the sentences are written for
//! somebody who has never seen the proxy before and is in a hurry.

mod group;
mod listener;
mod node;
#[cfg(test)]
pub(super) mod tests;
mod words;

use std::time::SystemTime;

use super::sources::Sources;
use crate::api;
use crate::clock;
use crate::config::model::InForce;
use crate::core::group::Group;
use crate::core::time::Moment;
use crate::proxy::Loads;
pub(super) use words::rfc3339;

/// All that is known at one moment.
pub(super) struct Picture<'a> {
    pub(super) groups: &'a [Group],
    pub(super) config: &'a InForce,
    pub(super) loads: &'a Loads,
    pub(super) draining: bool,
    pub(super) now: Moment,
}

/// Asks everybody, and puts it together.
pub(super) async fn status(sources: &Sources) -> api::Status {
    let groups = sources.control.look().await;
    let config = sources.in_force();
    Picture {
        groups: &groups,
        config: &config,
        loads: &sources.loads,
        draining: sources.is_draining(),
        now: clock::now(),
    }
    .status()
}

/// The same of groups that no proxy serves yet: how each is, and who would get new connections at each
/// listener. `config` must be the one that the groups were made from.
pub fn foretold(
    groups: &[Group],
    config: &InForce,
    now: Moment,
) -> (Vec<api::GroupStatus>, Vec<api::ListenerStatus>) {
    let picture = Picture {
        groups,
        config,
        loads: &Loads::default(),
        draining: false,
        now,
    };
    let status = picture.status();
    (status.groups, status.listeners)
}

impl Picture<'_> {
    fn status(&self) -> api::Status {
        let InForce {
            path,
            loaded,
            refused,
            config,
        } = self.config;
        let workers = self.loads.workers().into_iter().enumerate();
        api::Status {
            build: build(),
            time: rfc3339(SystemTime::now()),
            uptime_seconds: clock::uptime().as_secs_f64(),
            draining: self.draining,
            config: api::ConfigStatus {
                path: path.display().to_string(),
                loaded: rfc3339(*loaded),
                refused: refused.as_ref().map(ToString::to_string),
            },
            workers: workers
                .map(|(index, connections)| api::WorkerStatus { index, connections })
                .collect(),
            groups: self.groups.iter().map(|group| self.group(group)).collect(),
            listeners: config
                .listeners
                .iter()
                .map(|listener| self.listener(listener))
                .collect(),
        }
    }
}

fn build() -> api::Build {
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    api::Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        platform: format!("{system} {processor}"),
    }
}

//! `rolecall check --connect`: every node and every Sentinel of a configuration is asked now, and what a
//! proxy would make of the answers is told, with what is wrong and what to do.
//!
//! It decides nothing itself. `answers` asks, with the dial and the exchange of [`crate::check`]; `foretell`
//! brings the answers to the core's own fold, so that who would be primary and whom a listener would choose
//! is what a proxy that starts now would choose; `find` compares what was heard with what the
//! configuration says, and `report` puts it into the words of [`crate::api`].
//!
//! Nothing is written to a node, no address is listened on, and no connection outlives [`run`].

mod answers;
mod find;
mod foretell;
mod report;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::admin::foretold;
use crate::api;
use crate::check::new_group;
use crate::clock;
use crate::config::model::{Config, InForce};
use crate::core::group::Group;
use answers::GroupAnswers;
use foretell::Foretold;
use report::Scene;

/// Asks everybody, and says what came out. `path` is where the configuration was read from, for words.
///
/// # Errors
/// When the system gives us no runtime. What is wrong out there is part of the survey.
pub fn run(config: &Config, path: &Path) -> io::Result<api::Survey> {
    // The first call sets the start of our clock.
    clock::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (answers, took) = runtime.block_on(async {
        let began = Instant::now();
        let answers = answers::ask(config).await;
        (answers, began.elapsed())
    });
    // A look-up that hangs in the system's resolver must not hold up the end.
    runtime.shutdown_background();
    let groups = foretell(config, &answers);
    let scene = Scene::new(config, &answers, &groups, &in_force(config, path));
    Ok(scene.survey(took))
}

/// What a proxy with this configuration would make of the answers, group by group.
fn foretell(config: &Config, answers: &[GroupAnswers]) -> Vec<Foretold> {
    let groups = config.groups.iter().zip(answers);
    let each = groups.map(|(group, answers)| {
        let fresh = new_group(&config.listeners, group, answers.began);
        foretell::foretell(fresh, group, answers)
    });
    each.collect()
}

/// Who would be primary of each group, and who would get new connections at each listener, in the words of
/// a running proxy.
fn status(all: &[Foretold], config: &InForce) -> (Vec<api::GroupStatus>, Vec<api::ListenerStatus>) {
    let groups: Vec<Group> = all.iter().map(|each| each.group.clone()).collect();
    let now = all.iter().map(|each| each.now).max();
    foretold(&groups, config, now.unwrap_or_else(clock::now))
}

fn in_force(config: &Config, path: &Path) -> InForce {
    InForce {
        config: Arc::new(config.clone()),
        path: path.to_owned(),
        loaded: SystemTime::now(),
        refused: None,
    }
}

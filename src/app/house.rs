//! All that is up, from the moment that it is ours alone until the end: by a signal, or after a successor
//! has taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::handover::{self, Offer};
use super::ready::{readiness, say_ready};
use super::reload::{Done, Parts, Reloader};
use super::service::Service;
use super::signals::{Asked, Signals};
use super::watcher::Watch;
use crate::admin::{Admin, AdminState, ReloadRequest, Sources};
use crate::check::Checks;
use crate::config::model::Config;
use crate::core::snapshot::Snapshot;
use crate::core::time::in_words;
use crate::journal::Journal;
use crate::metrics;
use crate::notify::Notify;
use crate::proxy::Proxy;
use crate::switchover::Director;
use crate::telemetry::Switch;

/// Reloads that may wait for one under way.
const RELOADS: usize = 8;

/// All that is up.
pub(super) struct House {
    pub(super) reloader: Reloader,
    pub(super) proxy: Proxy,
    pub(super) checks: Checks,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) journal: Journal,
    pub(super) metrics: metrics::Handle,
    pub(super) notify: Notify,
    pub(super) level: Switch,
    pub(super) stop: CancellationToken,
    /// Asks for reloads, with `--watch`.
    pub(super) watch: Option<Watch>,
    /// Every listener has had its verdict, or its time for it.
    pub(super) decided: bool,
}

impl House {
    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.reloader.watch().borrow().config)
    }

    /// Serves until a signal or a successor comes, and then until the end.
    pub(super) async fn live(
        mut self,
        admin: Admin,
        signals: &mut Signals,
    ) -> Result<(), RunError> {
        let in_charge = self.stop.child_token();
        let offering = in_charge.child_token();
        let draining = Arc::new(AtomicBool::new(false));
        let (reloads_in, mut reloads) = mpsc::channel(RELOADS);
        if let Some(watch) = self.watch.take() {
            tokio::spawn(watch.run(reloads_in.clone(), in_charge.clone()));
        }
        let director = self.director();
        let offer = Offer::new(&self, &admin, director.clone());
        let mut successors = handover::offer(&self.config(), offer, offering.clone());
        let mut admin = admin.serve(
            &self.admin_state(&draining, reloads_in, director),
            &in_charge,
        );
        tokio::spawn(self.service().run(in_charge.clone()));
        let ready = self.tell_ready();
        loop {
            // Whoever sent a signal reads the log.
            let asked = tokio::select! {
                signal = signals.next() => match signal {
                    Asked::End => break,
                    Asked::Reload => None,
                },
                Some(asked) = reloads.recv() => Some(asked),
                bug = self.checks.died() => return Err(RunError::ChecksDied(bug.to_string())),
                successor = handover::next(&mut successors) => {
                    draining.store(true, Ordering::Relaxed);
                    admin.leave_to(&successor.taken);
                    in_charge.cancel();
                    handover::outlive(self, successor, signals).await?;
                    admin.ended().await;
                    return Ok(());
                }
            };
            let done = self.reload(ready.as_ref()).await;
            if let Some(asked) = asked {
                // They may have gone meanwhile.
                let _ = asked.send(done);
            }
        }
        drop(reloads);
        offering.cancel();
        draining.store(true, Ordering::Relaxed);
        self.notify.stopping();
        let grace = self.config().grace;
        drain(self.proxy, grace, signals).await;
        self.stop.cancel();
        admin.ended().await;
        Ok(())
    }

    fn director(&self) -> Director {
        Director {
            control: self.checks.control(),
            journal: self.journal.clone(),
            in_force: self.reloader.watch(),
            busy: Arc::default(),
        }
    }

    /// What the admin API is made from.
    fn admin_state(
        &self,
        draining: &Arc<AtomicBool>,
        reload: mpsc::Sender<ReloadRequest>,
        director: Director,
    ) -> AdminState {
        let level = self.level.clone();
        AdminState {
            metrics: self.metrics.clone(),
            readiness: readiness(self.reloader.watch(), self.snapshots.clone(), draining),
            sources: Sources {
                control: self.checks.control(),
                journal: self.journal.clone(),
                loads: self.proxy.loads(),
                in_force: self.reloader.watch(),
                draining: Arc::clone(draining),
                reload,
                director,
                set_level: Arc::new(move |wanted| level.set(wanted)),
            },
        }
    }

    /// Tells the service manager that we are ready, now or when we are; none: it has been told.
    fn tell_ready(&self) -> Option<JoinHandle<()>> {
        if self.decided {
            self.notify.ready();
            return None;
        }
        let (notify, known) = (self.notify.clone(), self.snapshots.clone());
        Some(tokio::spawn(say_ready(notify, known, self.config())))
    }

    /// Reads the file again. The service manager is told, but not before it knows that we are ready: the
    /// end of a reload would tell it so.
    async fn reload(&mut self, ready: Option<&JoinHandle<()>>) -> Done {
        let is_ready = ready.is_none_or(JoinHandle::is_finished);
        if is_ready {
            self.notify.reloading();
        }
        let parts = Parts {
            proxy: &self.proxy,
            checks: &mut self.checks,
            level: &self.level,
            journal: &self.journal,
        };
        let done = self.reloader.reload(parts).await;
        if is_ready {
            self.notify.ready();
        }
        done
    }

    fn service(&self) -> Service {
        Service {
            notify: self.notify.clone(),
            snapshots: self.snapshots.clone(),
            loads: self.proxy.loads(),
            pulse: self.proxy.pulse(),
            in_force: self.reloader.watch(),
        }
    }
}

/// The first signal lets sessions go on for the grace, the second ends them now.
async fn drain(proxy: Proxy, grace: Duration, signals: &mut Signals) {
    tracing::info!(
        "draining: no new connections; open sessions may go on for {}; a second signal ends them now",
        in_words(grace)
    );
    tokio::select! {
        () = proxy.shutdown(grace) => tracing::info!("ended"),
        () = signals.wait_for_end("draining") => tracing::warn!("a second signal: ended at once"),
    }
}

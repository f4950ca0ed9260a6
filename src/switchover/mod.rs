//! `rolecall switchover`: a planned change of primary, carried out.
//!
//! The core says whether it may begin and which way (`core::switchover`). Here new write connections are
//! parked, whoever can promote is asked to, and the election of the new primary is waited for. Whatever
//! goes wrong, the parked connections go on: the hold ends with this task, and at its deadline without it.

mod ask;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use crate::api::{Step, Switchover};
use crate::check::Control;
use crate::clock;
use crate::config::model::{GroupConfig, InForce};
use crate::core::group::Group;
use crate::core::switchover::{Plan, Way, plan};
use crate::core::time::{Moment, in_words};
use crate::journal::{Happening, Journal};

/// Redis ends a handover by itself when its time-out has passed; this much later it must have said so.
const MARGIN: Duration = Duration::from_secs(2);

/// From one look at the group to the next while its primary is about to change.
const LOOK: Duration = Duration::from_millis(20);

/// What a switchover is carried out with. Cheap to clone.
#[derive(Clone)]
pub struct Director {
    /// The way to the monitors.
    pub control: Control,
    /// What happened is told there, and the timeline is taken from there.
    pub journal: Journal,
    /// Passwords and Sentinels.
    pub in_force: watch::Receiver<InForce>,
    /// Held while a switchover is under way, one at a time, and while a new process takes over, which would
    /// know nothing of it.
    pub busy: Arc<Mutex<()>>,
}

/// One switchover at work.
struct Run<'a> {
    director: &'a Director,
    group: Arc<str>,
    began: Moment,
    steps: Vec<Step>,
    /// Events up to this number are in the timeline, or were before it.
    told: u64,
}

impl Director {
    /// Changes the primary of a group, to the node of that name if one is given. `patience`: how long the
    /// handover may take. Never fails: what went wrong is in the answer.
    pub async fn switch(&self, group: &str, to: Option<&str>, patience: Duration) -> Switchover {
        let mut run = Run {
            director: self,
            group: group.into(),
            began: clock::now(),
            steps: Vec::new(),
            told: *self.journal.watch().borrow(),
        };
        let Ok(_busy) = self.busy.try_lock() else {
            let why =
                "another switchover is under way, or a new process takes over: try again later";
            return run.over(None, Err(why.to_owned()));
        };
        match run.begin(to).await {
            Err(why) => run.over(None, Err(why)),
            Ok((config, plan, known)) => {
                let ended = run.carry_out(&config, &plan, &known, patience).await;
                // Whatever came of it: nobody stays parked for it.
                self.control.hold_writes(config.id, None).await;
                run.over(Some(&plan), ended)
            }
        }
    }

    async fn look(&self, group: &GroupConfig) -> Option<Group> {
        let all = self.control.look().await;
        all.into_iter().find(|known| known.view().id == group.id)
    }
}

impl Run<'_> {
    async fn begin(&mut self, to: Option<&str>) -> Result<(GroupConfig, Plan, Group), String> {
        let config = self.director.in_force.borrow().config.clone();
        let mut groups = config.groups.iter();
        let Some(group) = groups.find(|group| group.name == self.group) else {
            let names: Vec<&str> = config.groups.iter().map(|group| &*group.name).collect();
            let (wanted, names) = (&self.group, names.join(", "));
            return Err(format!("there is no group {wanted}: choose one of {names}"));
        };
        let known = self.director.look(group).await;
        let known = known.ok_or("the group is not checked any more")?;
        let plan = plan(&known, to, clock::now()).map_err(|refusal| refusal.to_string())?;
        Ok((group.clone(), plan, known))
    }

    /// Returns the name of the new primary.
    async fn carry_out(
        &mut self,
        config: &GroupConfig,
        plan: &Plan,
        known: &Group,
        patience: Duration,
    ) -> Result<Arc<str>, String> {
        let towards = match &plan.way {
            Way::Sentinel(_) => "to the replica that Sentinel chooses".to_owned(),
            Way::Failover { name, .. } => format!("to {name}"),
        };
        self.record(format!(
            "switchover from {} {towards} begins",
            plan.from_name
        ));
        let until = clock::now().plus(patience + MARGIN);
        if !self
            .director
            .control
            .hold_writes(config.id, Some(until))
            .await
        {
            return Err("the group is not checked any more".to_owned());
        }
        self.step("new write connections are parked".to_owned());
        let asked = match &plan.way {
            Way::Sentinel(answering) => ask::sentinels(config, answering).await,
            Way::Failover { to, name } => {
                ask::primary(config, known, plan.from, (*to, name), patience).await
            }
        };
        let said = match asked {
            Ok(said) => said,
            Err(why) => {
                // The answer may have been lost after the handover had begun.
                if matches!(plan.way, Way::Failover { .. }) {
                    ask::abort(config, known, plan.from).await;
                }
                return Err(why);
            }
        };
        self.step(said);
        let elected = timeout(patience + MARGIN, self.elected(config, plan)).await;
        if let Ok(outcome) = elected {
            return outcome;
        }
        if matches!(plan.way, Way::Failover { .. }) {
            let said = ask::abort(config, known, plan.from).await;
            self.step(said);
        }
        let waited = in_words(patience + MARGIN);
        let later = match plan.way {
            Way::Sentinel(_) => "; Sentinel may still promote a replica: look with status",
            Way::Failover { .. } => "",
        };
        Err(format!("no other node was elected within {waited}{later}"))
    }

    /// Waits for a later election, or for the end of the handover without one.
    async fn elected(&mut self, config: &GroupConfig, plan: &Plan) -> Result<Arc<str>, String> {
        let mut began = false;
        loop {
            let Some(group) = self.director.look(config).await else {
                return Err("the group is not checked any more".to_owned());
            };
            let election = group.election();
            if let (Some(view), Some(holder)) = (election.primary(), election.holder())
                && view.term > plan.term
            {
                return if holder.node == plan.from {
                    Err(format!("{} was elected again", plan.from_name))
                } else {
                    Ok(holder.name.clone())
                };
            }
            let mut nodes = group.nodes().iter();
            let from = nodes.find(|node| node.settings.id == plan.from);
            let facts = from.and_then(|node| node.fresh_facts());
            let hands_over = facts.is_some_and(|facts| facts.handover);
            let is_back = facts.is_some_and(|facts| facts.claims() && !facts.handover);
            if began && is_back && matches!(plan.way, Way::Failover { .. }) {
                return Err(format!(
                    "{} gave the handover up and stays primary",
                    plan.from_name
                ));
            }
            began |= hands_over;
            sleep(LOOK).await;
        }
    }

    fn record(&mut self, text: String) {
        self.director.journal.record(Happening::Switchover {
            group: self.group.clone(),
            text: text.into(),
        });
    }

    fn step(&mut self, text: String) {
        self.take_events();
        let seconds = clock::now().since(self.began).as_secs_f64();
        self.steps.push(Step { seconds, text });
    }

    /// What the journal holds of this group since the last look belongs into the timeline.
    fn take_events(&mut self) {
        for event in self.director.journal.after(self.told) {
            self.told = event.number;
            let group = match &event.what {
                Happening::Group { group, .. }
                | Happening::Closed { group, .. }
                | Happening::Switchover { group, .. } => group,
                Happening::Reloaded { .. } | Happening::ReloadRefused { .. } => continue,
            };
            if *group == self.group {
                let at = event.time.duration_since(clock::wall(self.began));
                self.steps.push(Step {
                    seconds: at.unwrap_or_default().as_secs_f64(),
                    text: event.what.to_string(),
                });
            }
        }
    }

    fn over(mut self, plan: Option<&Plan>, ended: Result<Arc<str>, String>) -> Switchover {
        let took = in_words(clock::now().since(self.began));
        let from = plan.map(|plan| plan.from_name.to_string());
        let text = match (&ended, &from) {
            (Ok(to), Some(from)) => format!("switched over from {from} to {to} in {took}"),
            (Ok(to), None) => format!("{to} is primary"),
            (Err(why), Some(from)) => format!("not switched over, {from} is still primary: {why}"),
            (Err(why), None) => format!("not switched over: {why}"),
        };
        if from.is_some() {
            self.record(text.clone());
        }
        self.take_events();
        Switchover {
            done: ended.is_ok(),
            group: self.group.to_string(),
            from,
            to: ended.ok().map(|name| name.to_string()),
            text,
            timeline: self.steps,
        }
    }
}

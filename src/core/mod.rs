//! The pure core: it decides, and says why.
//!
//! No socket, clock, random number, log or lock. Facts and the present moment go in, decisions with
//! reasons come out; so every rule of routing (R1 to R20) can be tested with values written by hand.
//!
//! Read in this order: [`facts`] and [`outcome`] (what checks bring), [`health`] and [`node`] (what is
//! remembered), [`sentinel`] and [`discovery`] (what Sentinels say), [`lag`] (how far replicas are behind), [`election`] and [`eligibility`] (what follows), [`group`] (the fold over all of it),
//! [`snapshot`] (what the data plane gets), [`chain`] and [`pick`] (who serves a new connection),
//! [`judge`] (what becomes of an open one), [`answers`] (and of what its node had answered).

pub mod alarm;
pub mod answers;
mod ballot;
mod candidacy;
pub mod chain;
mod descent;
pub mod discovery;
pub mod election;
pub mod eligibility;
pub mod event;
pub mod facts;
pub mod group;
pub mod health;
pub mod ids;
pub mod judge;
pub mod lag;
pub mod lineage;
pub mod node;
pub mod outcome;
pub mod pick;
pub mod reason;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod scenarios;
pub mod sentinel;
pub mod snapshot;
pub mod stale;
pub mod switchover;
pub mod time;

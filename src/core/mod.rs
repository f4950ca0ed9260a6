//! The pure core: it decides, and says why.
//!
//! No socket, clock, random number, log or lock. Facts and the present moment go in, decisions with
//! reasons come out; so every rule of routing (R1 to R16) can be tested with values written by hand.
//!
//! Read in this order: [`facts`] and [`outcome`] (what checks bring), [`snapshot`] (what the data plane
//! gets), [`chain`] and [`pick`] (who serves a new connection), [`judge`] (what becomes of an open one).

pub mod alarm;
pub mod chain;
pub mod facts;
pub mod ids;
pub mod judge;
pub mod outcome;
pub mod pick;
pub mod reason;
pub mod snapshot;
pub mod time;

//! The shell around the checks: it asks the nodes and tells the core what they said.
//!
//! [`node`] is the task that checks one node. It owns that node's check connection and nothing else; what
//! its reports mean is decided elsewhere. [`wake`] is how others ask for a check now.

mod checker;
mod connection;
pub mod node;
mod pacing;
mod resolve;
pub mod wake;

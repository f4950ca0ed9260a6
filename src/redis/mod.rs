//! Bytes to facts: what a Redis or Valkey node says, turned into the core's types.
//!
//! Everything that knows the wire is here, and nothing that knows a socket: [`resp`] frames replies,
//! [`info`], [`followers`] and [`product`] read the sections of INFO, [`probe`] is one check as a state
//! machine that is fed bytes, [`sentinel`] and [`listing`] the same for what Sentinels say, [`scan`] follows
//! the replies that a session relays.
//! No tokio, no clock, no log; so every reply can be tested cut at every byte.

pub mod followers;
pub mod info;
pub mod listing;
pub mod probe;
pub mod product;
pub mod resp;
pub mod scan;
pub mod sentinel;

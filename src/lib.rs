//! rolecall: a role-aware TCP proxy for Redis and Valkey.

pub mod clock;
pub mod config;
pub mod core;
pub mod metrics;
pub mod proxy;

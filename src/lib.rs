//! rolecall: a role-aware TCP proxy for Redis and Valkey.

pub mod check;
pub mod clock;
pub mod config;
pub mod core;
pub mod redis;

//! rolecall: a role-aware TCP proxy for Redis and Valkey.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod demo;
pub mod metrics;
pub mod telemetry;

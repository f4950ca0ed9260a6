//! The command line.

pub mod ready;

//! Configuration: file types, then the validated [`model::Config`].
pub mod model;

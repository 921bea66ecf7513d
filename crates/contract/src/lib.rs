//! The promises of every port, as tests that any adapter runs.

#![expect(clippy::missing_panics_doc, reason = "a promise panics where it is broken, as a test does")]

pub mod bus;
pub mod documents;
pub mod embeddings;
pub mod media;
pub mod models;
pub mod speech;
pub mod stores;
pub mod tee;

//! The promises of every port, as tests that any adapter runs.

pub mod bus;
pub mod models;
pub mod stores;

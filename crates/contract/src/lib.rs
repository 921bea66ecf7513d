//! The promises of every port, as tests that any adapter runs

//! The promises of the repositories.

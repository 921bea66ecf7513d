//! What this machine could do at most: the server's frameworks under the same load, with nothing of the server in between.

pub(crate) mod files;
pub mod handler;
pub mod http;
pub mod sqlite;

//! Memories ranked by meaning.
//!
//! The vectors of all memories are in memory, each number a byte (`partition`), by agents and by the spaces of the models that
//! made them (`index`). The database has them too, and is what counts: one task reads them from there at the start, while
//! the server answers already, and then follows what comes and goes (`follow`); another makes vectors of the memories that
//! have none, or one of another model than the present one, in batches and at a bounded rate (`embed`). What is to be done is
//! read from the database as well, so that a kill loses nothing.
//!
//! [`Recall`] is the port [`VectorIndex`](core_types::memory::VectorIndex) over all of this, and [`Recall::run`] does the work.

mod embed;
mod follow;
mod index;
mod kernel;
mod meter;
mod partition;
mod question;
mod recall;

pub use recall::{Limits, Recall};

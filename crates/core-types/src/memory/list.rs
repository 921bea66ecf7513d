//! Parts of lists of memories.

use crate::memory::Memory;

/// A list of up to so many memories is counted; to count a longer one would cost more with each.
pub const COUNTED: u32 = 1_000;

/// A part of a list of memories.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedMemories {
    /// The memories of the page.
    pub items: Vec<Memory>,
    /// How many memories the whole list has: always known where this is its last page, and else where they are at most [`COUNTED`].
    pub total: Option<u64>,
}

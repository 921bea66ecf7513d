// What the suite tells the disk of a running server, and the disk the suite: 64 bytes of a file that both have open. Compiled on
// both sides.

/// The name of the file.
pub const FILE: &str = "control";
/// Its bytes.
pub const BYTES: usize = 64;

/// Where the 32 bits of faults are.
pub const FAULTS: usize = 0;
/// Where it is how many bytes files may still grow by while the disk is full; 64 bits.
pub const ROOM: usize = 8;
/// Where it is how often a fault was met; 64 bits.
pub const MET: usize = 16;

/// Files may grow by so many bytes, and then no more (`ENOSPC`).
pub const FULL: u32 = 1;
/// Nothing can be written (`EROFS`).
pub const READ_ONLY: u32 = 2;
/// What is synced is not, and that is said (`EIO`), once for each byte: as with Linux, the next sync knows nothing of it.
pub const SYNC_FAILS: u32 = 4;
/// What is synced is not, and nobody is told.
pub const SYNC_LIES: u32 = 8;

/// Where it is at the so-manieth call from now that the program ends, killed; 64 bits, 0 for never.
pub const CALLS: usize = 24;
/// Where it is which files such calls count of; 32 bits.
pub const OF: usize = 32;
/// The database file itself, which is written when the log is moved into it.
pub const DATABASE: u32 = 1;
/// Its log.
pub const LOG: u32 = 2;
/// Every other file, and names.
pub const OTHERS: u32 = 4;

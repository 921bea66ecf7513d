//! The crash suite: kill, restart, compare

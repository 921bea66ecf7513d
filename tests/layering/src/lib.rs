//! Holds the edges between the workspace's crates

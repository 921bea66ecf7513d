//! The in-process event bus

//! Test server, callers, redactions, scripted models

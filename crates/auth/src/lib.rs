//! Verifying credentials and keeping secrets; no HTTP

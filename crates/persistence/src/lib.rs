//! The repositories on SQLite and PostgreSQL; the only crate that knows SQL

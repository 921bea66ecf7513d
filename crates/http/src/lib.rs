//! Routes, extractors, wire types, the error table; the only crate that names actix

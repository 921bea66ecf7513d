//! The services, one module per resource

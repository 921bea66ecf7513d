//! The REST API of elizaOS over the services of `core-types`: routes, extractors, wire types and the one error table.
//! The only crate that names actix.
//!
//! A program makes [`Services`], wraps them with [`HttpSettings`] into an [`AppState`] and hands it to [`run`] with a bound
//! listener. Tests build the same routes with [`app`]. How a request travels, every bound and every code is told in
//! `docs/api-design.md`; how to add a route in `docs/adding-an-endpoint.md`.

mod agents;
mod app;
mod audio;
mod channels;
mod documents;
mod envelope;
mod errors;
mod etag;
mod events;
mod extract;
mod figures;
mod gate;
mod headers;
mod holdings;
mod home;
mod jobs;
mod keys;
mod layer;
mod limits;
mod lines;
mod manage;
mod media;
mod memories;
mod messages;
mod once;
mod openapi;
mod pace;
mod pages;
mod paths;
mod rates;
mod replies;
mod rooms;
mod routing;
mod runs;
mod secrets;
mod server;
mod servers;
mod serving;
mod sessions;
mod sockets;
mod sse;
mod streams;
mod system;
mod tee;
mod ui;
mod unread;
mod uploads;
mod wire;
mod worlds;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use app::{AppState, HttpSettings, Services, app};
pub use openapi::{document as openapi_document, of_annotations as openapi_of_annotations};
pub use server::{RunningServer, Stopper, run};

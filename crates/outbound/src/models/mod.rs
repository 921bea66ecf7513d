//! What the adapters of model services share. An adapter has a [`Profile`], which names the settings and defaults of its
//! service, and a [`Dialect`], which knows the shape of its requests and answers. A [`RemoteConnector`] makes of the two a
//! [`RemoteProvider`]: it streams, asks again where that can help, leaves out what the service does not know, and tells a
//! failure by what the caller can do about it. A [`RemoteCaller`] does the same for what is no conversation.

mod caller;
mod connection;
mod connector;
mod conversation;
mod dialect;
mod draft;
mod failure;
mod profile;
mod provider;
mod service;

pub use caller::RemoteCaller;
pub use connector::RemoteConnector;
pub use conversation::{Contribution, image, is_image, several_people};
pub use dialect::{Broken, Dialect, Manner, Progress, refused_field, shortest_decimal};
pub use draft::{CallDraft, Draft};
pub use failure::explanation;
pub use profile::{ModelNames, Profile};
pub use provider::RemoteProvider;
pub use service::{Asked, RemoteService};

//! Parameters that several operations have.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Object, Required};

use crate::limits;

/// An id in a path.
pub(crate) fn id(name: &str) -> Parameter {
    ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(uuid())).build()
}

/// A text in a path.
pub(crate) fn text(name: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(schema)).build()
}

/// The schema of an id.
pub(crate) fn uuid() -> Object {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build()
}

/// A header that a request may have.
pub(crate) fn header(name: &str, schema: Object, description: &str) -> Parameter {
    optional(ParameterIn::Header, name, schema, description)
}

/// The part of a list that has no pages in elizaOS.
pub(crate) struct ListPart;

impl IntoParams for ListPart {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let most = count().maximum(Some(limits::LIST)).build();
        vec![
            optional(ParameterIn::Query, "limit", most, "How many entries; all of them, up to the bound, where absent"),
            optional(ParameterIn::Query, "offset", count().build(), "How many entries to leave out at the beginning"),
        ]
    }
}

/// Which lines of the server's log are told.
pub(crate) struct LogConditions;

impl IntoParams for LogConditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text =
            |name, description| optional(ParameterIn::Query, name, ObjectBuilder::new().schema_type(Type::String).build(), description);
        let most = count().maximum(Some(limits::MAX_PAGE)).build();
        vec![
            text("since", "From when on: epoch milliseconds, or an ISO 8601 time; the last hour where absent"),
            text("level", "One of `levels`; all where absent"),
            text("agentName", "Only lines with this in them"),
            text("agentId", "Only lines with this in them"),
            optional(ParameterIn::Query, "limit", most, "How many lines; 100 where absent"),
        ]
    }
}

/// What an answer repeats.
pub(crate) struct Nonce;

impl IntoParams for Nonce {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let hex = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([0-9a-fA-F]{2}){1,64}$")).build();
        vec![optional(ParameterIn::Query, "nonce", hex, "1 to 64 bytes in hexadecimal digits; the signed answer repeats them")]
    }
}

/// Which memories are listed.
pub(crate) struct MemoryConditions;

impl IntoParams for MemoryConditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let query = |name: &str, schema: Object, description: &str| optional(ParameterIn::Query, name, schema, description);
        let text = || ObjectBuilder::new().schema_type(Type::String).max_length(Some(limits::NAME_CHARS)).build();
        vec![
            query("table", text(), "The table; `messages` where absent; also spelled `tableName`"),
            query("limit", count().maximum(Some(limits::MAX_PAGE)).build(), "How many memories"),
            query("offset", count().build(), "How many memories to leave out at the beginning"),
            query("roomId", uuid(), "Of this room"),
            query("channelId", uuid(), "Of the agent's room for this channel"),
            query("entityId", uuid(), "From or about this entity"),
            query("worldId", uuid(), "Of this world"),
            query(
                "type",
                ObjectBuilder::new().schema_type(Type::String).build(),
                "With this `type` in the metadata, such as `message`, `document` or `fragment`",
            ),
            query("from", text(), "None that is older: epoch milliseconds or ISO 8601"),
            query("to", text(), "None that is newer: epoch milliseconds or ISO 8601"),
        ]
    }
}

fn optional(parameter_in: ParameterIn, name: &str, schema: Object, description: &str) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(parameter_in).required(Required::False);
    parameter.schema(Some(schema)).description(Some(description)).build()
}

fn count() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32))).minimum(Some(0))
}

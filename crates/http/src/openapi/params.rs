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

fn optional(parameter_in: ParameterIn, name: &str, schema: Object, description: &str) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(parameter_in).required(Required::False);
    parameter.schema(Some(schema)).description(Some(description)).build()
}

fn count() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32))).minimum(Some(0))
}

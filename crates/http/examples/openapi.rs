//! Writes `docs/openapi.json` anew, out of the annotations of the handlers: `just openapi`.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    fs::write(file, doolittle_http::openapi_of_annotations())
}

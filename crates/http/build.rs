//! Compresses the OpenAPI document, and takes out of Swagger UI's archive what its page needs, as it is compressed there: its scripts are
//! built for many uses, and all of them would be 4 MB of the program.

use std::error::Error;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::{CompressionMethod, ZipArchive};

/// What `index.html` asks for, but for its configuration, which is ours.
const FILES: [&str; 7] = [
    "index.html",
    "index.css",
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];
/// The document, as it is checked in.
const DOCUMENT: &str = "../../docs/openapi.json";
/// The head of a gzip file (RFC 1952) of deflated data, of no name, time or system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

#[expect(clippy::disallowed_methods, reason = "Cargo tells a build script so where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={DOCUMENT}");
    let directory = std::env::var("OUT_DIR")?;
    let mut document = GzEncoder::new(fs::File::create(Path::new(&directory).join("openapi.json.gz"))?, Compression::best());
    document.write_all(&fs::read(DOCUMENT)?)?;
    document.finish()?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for name in FILES {
        let end = format!("/dist/{name}");
        let is_it = |&index: &usize| archive.name_for_index(index).is_some_and(|path| path.is_ok_and(|path| path.ends_with(&end)));
        let index = (0..archive.len()).find(is_it);
        let mut file = archive.by_index_raw(index.ok_or_else(|| format!("Swagger UI has no {name}"))?)?;
        let mut bytes = Vec::new();
        if file.compression() == CompressionMethod::Stored {
            file.read_to_end(&mut bytes)?;
        } else {
            bytes.extend(HEAD);
            file.read_to_end(&mut bytes)?;
            bytes.extend(file.crc32().to_le_bytes());
            bytes.extend(u32::try_from(file.size())?.to_le_bytes());
        }
        fs::write(Path::new(&directory).join(name), bytes)?;
    }
    Ok(())
}

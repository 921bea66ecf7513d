//! DOCX: any archive, and any XML in a sound archive.
#![no_main]

use std::io::{Cursor, Write as _};

use core_types::knowledge::{DocumentReader as _, Format, TEXT_LIMIT};
use documents::InProcess;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Builder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let source = if *kind == b'x' { archive(rest) } else { rest.to_vec() };
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    if let Ok(read) = runtime.block_on(InProcess.read(Format::Docx, source.into())) {
        assert!(read.text.len() <= TEXT_LIMIT);
    }
});

fn archive(xml: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("word/document.xml", SimpleFileOptions::default()).expect("a file in memory");
    archive.write_all(xml).expect("a write to memory");
    archive.finish().expect("an archive in memory").into_inner()
}

//! What every reader of documents promises.

use bytes::Bytes;
use core_types::knowledge::{DocumentReader, DocumentText, Format, UnreadableDocument};

const PDF: &[u8] = include_bytes!("../fixtures/hours.pdf");
const LOCKED_PDF: &[u8] = include_bytes!("../fixtures/locked.pdf");
const DOCX: &[u8] = include_bytes!("../fixtures/hours.docx");

async fn text(reader: &dyn DocumentReader, format: Format, source: &'static [u8]) -> DocumentText {
    match reader.read(format, Bytes::from_static(source)).await {
        Ok(text) => text,
        Err(error) => panic!("{format:?}: {error}"),
    }
}

async fn refused(reader: &dyn DocumentReader, format: Format, source: impl Into<Bytes>) -> String {
    match reader.read(format, source.into()).await {
        Err(UnreadableDocument::Broken { message }) => message,
        other => panic!("{format:?}: {other:?}"),
    }
}

/// All pages, and the title.
pub async fn the_text_of_a_pdf_is_read(reader: &dyn DocumentReader) {
    let read = text(reader, Format::Pdf, PDF).await;
    for part in ["The gate opens at nine.", "On Sundays the caf\u{e9} stays closed.", "The second page is about ferries."] {
        assert!(read.text.contains(part), "{part:?} is missing in {:?}", read.text);
    }
    assert_eq!((read.title.as_deref(), read.headings), (Some("Opening hours"), false));
}

/// Headings are marked, and the rows of tables are lines.
pub async fn the_text_of_a_docx_is_read(reader: &dyn DocumentReader) {
    let read = text(reader, Format::Docx, DOCX).await;
    let expected =
        "# The gate\n\nThe gate opens at nine.\n\nOn Sundays the caf\u{e9} stays closed & dark.\n\nDay | Ferry\nMonday | eight\n";
    assert_eq!(read.text.trim_end(), expected.trim_end());
    assert_eq!((read.title.as_deref(), read.headings), (Some("Opening hours"), true));
}

/// Whatever is wrong with it, and the next document is read.
pub async fn what_cannot_be_read_is_refused_and_breaks_nothing(reader: &dyn DocumentReader) {
    assert!(refused(reader, Format::Pdf, LOCKED_PDF).await.contains("password"));
    for format in [Format::Pdf, Format::Docx] {
        let other = if format == Format::Pdf { DOCX } else { PDF };
        for source in [b"".as_slice(), b"<html>not it</html>", b"%PDF-1.4\n1 0 obj <<", b"PK\x03\x04", other] {
            refused(reader, format, source).await;
        }
    }
    for step in [7, 31, 64] {
        let mut torn = PDF.to_vec();
        torn.iter_mut().skip(20).step_by(step).for_each(|byte| *byte ^= 0x55);
        // Text may be left in it; what counts is that there is an answer.
        let _ = reader.read(Format::Pdf, torn.into()).await;
    }
    let mut short = DOCX.to_vec();
    short.truncate(short.len() / 2);
    refused(reader, Format::Docx, short).await;
    refused(reader, Format::Text, b"text".as_slice()).await;
    text(reader, Format::Pdf, PDF).await;
}

/// A page tree that is its own child, a list within a list a million times, and a page that unpacks without an end.
pub async fn a_document_that_goes_in_circles_comes_to_an_end(reader: &dyn DocumentReader) {
    let circle = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\n\
                  xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n\
                  trailer<</Size 3/Root 1 0 R>>\nstartxref\n106\n%%EOF";
    let _ = reader.read(Format::Pdf, circle.into()).await;
    let mut deep = String::from("%PDF-1.4\n1 0 obj");
    deep.push_str(&"[".repeat(1_000_000));
    deep.push_str("endobj\ntrailer<</Root 1 0 R>>");
    let _ = reader.read(Format::Pdf, deep.into()).await;
    // Five kilobytes that unpack to three gigabytes.
    refused(reader, Format::Pdf, include_bytes!("../fixtures/bomb.pdf").as_slice()).await;
    text(reader, Format::Docx, DOCX).await;
}

/// Makes one test of each promise. `$make` is a function without arguments that makes a reader.
#[macro_export]
macro_rules! documents_contract {
    ($make:ident) => {
        $crate::documents_contract! { $make:
            the_text_of_a_pdf_is_read,
            the_text_of_a_docx_is_read,
            what_cannot_be_read_is_refused_and_breaks_nothing,
            a_document_that_goes_in_circles_comes_to_an_end,
        }
    };
    ($make:ident: $($promise:ident,)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::documents::$promise(&$make()).await;
            }
        )*
    };
}

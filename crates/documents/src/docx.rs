//! DOCX: a ZIP archive with the text as XML in it (ECMA-376).

use std::io::{Cursor, Read as _};

use core_types::knowledge::{DocumentText, Format, TEXT_LIMIT, UnreadableDocument};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use crate::broken;

/// The largest part that is unpacked, in bytes: XML is some twenty times as long as its text.
const PART: u64 = 20 * TEXT_LIMIT as u64;

/// The text of a document: paragraphs, list entries and the rows of tables, with `#` in front of headings.
pub(crate) fn read(source: &[u8]) -> Result<DocumentText, UnreadableDocument> {
    let mut archive = ZipArchive::new(Cursor::new(source)).map_err(|_| broken(Format::Docx))?;
    let body = part(&mut archive, "word/document.xml")?.ok_or_else(|| broken(Format::Docx))?;
    let text = text(&body)?;
    let properties = part(&mut archive, "docProps/core.xml")?.unwrap_or_default();
    Ok(DocumentText { text, title: title(&properties), headings: true })
}

/// A part of the archive, unpacked no further than it may be.
fn part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Option<String>, UnreadableDocument> {
    let Ok(file) = archive.by_name(name) else { return Ok(None) };
    let mut text = String::new();
    let unpacked = file.take(PART + 1).read_to_string(&mut text).map_err(|_| broken(Format::Docx))?;
    if unpacked as u64 > PART { Err(UnreadableDocument::TooLong) } else { Ok(Some(text)) }
}

/// What has been read so far.
#[derive(Default)]
struct Text {
    whole: String,
    paragraph: String,
    /// `#` signs of the paragraph, where it is a heading.
    level: usize,
    /// Whether characters are text now, and how many cells of tables they are in.
    is_read: bool,
    cells: usize,
}

fn text(body: &str) -> Result<String, UnreadableDocument> {
    let mut reader = Reader::from_str(body);
    let mut text = Text::default();
    loop {
        match reader.read_event().map_err(|_| broken(Format::Docx))? {
            Event::Start(tag) => text.opens(&tag),
            Event::Empty(tag) => {
                text.opens(&tag);
                text.closes(tag.local_name().as_ref());
            }
            Event::End(tag) => text.closes(tag.local_name().as_ref()),
            Event::Text(piece) if text.is_read => text.paragraph.push_str(&piece),
            Event::CData(piece) if text.is_read => text.paragraph.push_str(&piece),
            Event::GeneralRef(reference) if text.is_read => match reference.resolve_char_ref() {
                Ok(Some(letter)) => text.paragraph.push(letter),
                _ => text.paragraph.push_str(resolve_predefined_entity(&reference).unwrap_or_default()),
            },
            Event::Eof => break,
            _ => {}
        }
        if text.whole.len() + text.paragraph.len() > TEXT_LIMIT {
            return Err(UnreadableDocument::TooLong);
        }
    }
    text.end_paragraph();
    Ok(text.whole)
}

impl Text {
    fn opens(&mut self, tag: &BytesStart<'_>) {
        match tag.local_name().as_ref() {
            "t" => self.is_read = true,
            "tab" => self.paragraph.push('\t'),
            "br" | "cr" => self.paragraph.push('\n'),
            "noBreakHyphen" => self.paragraph.push('-'),
            "tc" => self.cells += 1,
            "pStyle" => self.level = level(tag),
            _ => {}
        }
    }

    fn closes(&mut self, name: &str) {
        match name {
            "t" => self.is_read = false,
            // The cells of a row stay in one line.
            "p" if self.cells > 0 => self.paragraph.push(' '),
            "p" => self.end_paragraph(),
            "tc" => {
                self.cells = self.cells.saturating_sub(1);
                self.paragraph.push('\t');
            }
            "tr" if self.cells == 0 => self.end_line(),
            "tbl" if self.cells == 0 => self.whole.push('\n'),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        let (paragraph, level) = (std::mem::take(&mut self.paragraph), std::mem::take(&mut self.level));
        let paragraph = paragraph.trim();
        if paragraph.is_empty() {
            return;
        }
        if level > 0 {
            self.whole.extend(std::iter::repeat_n('#', level));
            self.whole.push(' ');
        }
        self.whole.push_str(paragraph);
        self.whole.push_str("\n\n");
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.paragraph);
        self.level = 0;
        let cells: Vec<&str> = line.split('\t').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        if !cells.is_empty() {
            self.whole.push_str(&cells.join(" | "));
            self.whole.push('\n');
        }
    }
}

/// The level of a heading by the name of its style, 0 for anything else.
fn level(style: &BytesStart<'_>) -> usize {
    let value = style.attributes().flatten().find(|attribute| attribute.key.local_name().as_ref() == "val");
    let Some(value) = value else { return 0 };
    match value.value.as_ref() {
        "Title" => 1,
        style => match style.strip_prefix("Heading").map(str::as_bytes) {
            Some([digit @ b'1'..=b'6']) => usize::from(digit - b'0'),
            _ => 0,
        },
    }
}

/// The title in the document's properties.
fn title(properties: &str) -> Option<String> {
    let mut reader = Reader::from_str(properties);
    let mut title: Option<String> = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.local_name().as_ref() == "title" => title = Some(String::new()),
            Event::Text(text) => {
                if let Some(title) = &mut title {
                    title.push_str(&text);
                }
            }
            Event::End(tag) if tag.local_name().as_ref() == "title" => {
                return title.map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn archive(body: &str) -> Vec<u8> {
        use std::io::Write as _;
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(body.as_bytes()).unwrap();
        archive.finish().unwrap().into_inner()
    }

    proptest! {
        #[test]
        fn whatever_the_parts_say_is_read_or_refused(
            pieces in prop::collection::vec(
                prop_oneof![
                    "</?w:(p|t|r|tbl|tr|tc|del|br|pPr|document)/?>",
                    "<w:pStyle w:val=\"(Heading[0-9]{0,20}|\\PC{0,6})\"/>",
                    "</?dc:title>",
                    "&(amp|lt|#[0-9]{1,9}|#x[0-9a-f]{1,9}|[a-z]{1,4});?",
                    "(<!\\[CDATA\\[|\\]\\]>|<!--|-->|<\\?|\\?>|<!DOCTYPE|>)",
                    "\\PC{0,8}",
                ],
                0..24,
            )
        ) {
            let xml = pieces.concat();
            let _ = (text(&xml), title(&xml));
        }

        #[test]
        fn what_a_paragraph_says_is_read(said in "[a-zA-Zé字 ]{0,40}") {
            let body = format!("<w:document><w:body><w:p><w:r><w:t>{said}</w:t></w:r></w:p></w:body></w:document>");
            let read = read(&archive(&body)).unwrap();
            prop_assert_eq!(read.text.trim(), said.trim());
        }

        #[test]
        fn an_archive_that_was_damaged_is_read_or_refused(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            keep in any::<prop::sample::Index>(),
            cut: bool,
        ) {
            let mut bytes = archive("<w:document><w:body><w:p><w:r><w:t>It is.</w:t></w:r></w:p></w:body></w:document>");
            for (place, byte) in flips {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if cut {
                bytes.truncate(keep.index(bytes.len()));
            }
            let _ = read(&bytes);
        }

        #[test]
        fn any_bytes_are_a_document_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn paragraphs_headings_tables_and_breaks_are_kept_apart_and_what_was_deleted_is_not_read() {
        let body = r#"<w:document xmlns:w="w"><w:body>
            <w:p><w:pPr><w:pStyle w:val="Heading2"/></w:pPr><w:r><w:t>Opening</w:t></w:r><w:r><w:t xml:space="preserve"> hours</w:t></w:r></w:p>
            <w:p><w:r><w:t>Nine &amp; ten&#33;</w:t><w:br/><w:t>or later</w:t></w:r><w:del><w:r><w:delText>never</w:delText></w:r></w:del></w:p>
            <w:p/>
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>Day</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>Hour</w:t></w:r></w:p></w:tc></w:tr>
            <w:tr><w:tc><w:p><w:r><w:t>Monday</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl>
            <w:p><w:r><w:t>End</w:t></w:r></w:p>
            </w:body></w:document>"#;
        assert_eq!(text(body).unwrap(), "## Opening hours\n\nNine & ten!\nor later\n\nDay | Hour\nMonday\n\nEnd\n\n");
    }

    #[test]
    fn what_is_no_document_is_refused_and_a_long_one_too() {
        assert!(matches!(read(b"PK"), Err(UnreadableDocument::Broken { .. })));
        assert!(text("<a><b></a>").is_err());
        let long = format!("<p><t>{}</t></p>", "x".repeat(TEXT_LIMIT + 1));
        assert!(matches!(text(&long), Err(UnreadableDocument::TooLong)));
    }

    #[test]
    fn a_part_that_unpacks_without_an_end_is_cut_off() {
        use std::io::Write as _;
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
        let zeros = vec![b' '; 1 << 20];
        for _ in 0..=(PART >> 20) {
            archive.write_all(&zeros).unwrap();
        }
        let bomb = archive.finish().unwrap().into_inner();
        assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
        assert!(matches!(read(&bomb), Err(UnreadableDocument::TooLong)));
    }

    #[test]
    fn the_title_is_in_the_properties() {
        let properties = r#"<cp:coreProperties xmlns:dc="d"><dc:title> Hours </dc:title></cp:coreProperties>"#;
        assert_eq!(title(properties).as_deref(), Some("Hours"));
        assert_eq!(title("<a><title></title></a>"), None);
        assert_eq!(title(""), None);
    }
}

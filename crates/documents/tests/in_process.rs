//! The promises of a reader, held by the one that reads in the same process.

use doolittle_documents::InProcess;

fn make() -> InProcess {
    InProcess
}

// Not those about documents that are made to break what reads them: that is what the other reader is for.
contract::documents_contract! { make: the_text_of_a_pdf_is_read, the_text_of_a_docx_is_read, what_cannot_be_read_is_refused_and_breaks_nothing, }

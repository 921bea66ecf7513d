//! The promises of a reader of documents, held by the one that starts this program for each.

use documents::Isolated;

fn make() -> Isolated {
    Isolated::new(env!("CARGO_BIN_EXE_doolittle"))
}

contract::documents_contract!(make);

//! HTML of documents, and the parts that a text is cut into.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|html: &str| domain::fuzzing::knowledge(html));

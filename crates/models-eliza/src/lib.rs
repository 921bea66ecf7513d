//! The offline model: it needs no key and no network, and always answers.
//!
//! It works as J. Weizenbaum describes in "ELIZA: a computer program for the study of natural language communication
//! between man and machine" (Communications of the ACM 9, 1, 1966): the keywords of a message are ranked; the best one's
//! decomposition patterns are tried on the words around it; the first that matches names reassembly rules, which take
//! turns and put the matched parts, with the persons mirrored, into an answer. A rule may hand over to another keyword,
//! and what is said about oneself is kept for a moment in which nothing matches. The words that it says are our own; they
//! are in `script/eliza.txt`, in a format that its first lines explain.
//!
//! One liberty: the paper reads a message up to the first comma or full stop after a keyword; here the part of the
//! message with the best keyword is taken, so that a greeting does not hide what follows it.
//!
//! The model has no state and no randomness. Which rule's turn it is and what is remembered follows from the
//! conversation in the request: [`respond`] is a pure function.

mod pattern;
mod provider;
mod responder;
mod script;
mod words;

pub use provider::{ElizaConnector, ElizaProvider};
pub use responder::{calls_for_an_answer, respond};
pub use script::{Script, ScriptError};

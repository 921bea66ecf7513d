//! Embedding models on this machine, without a network.
//!
//! | model | chosen by | what it is |
//! | --- | --- | --- |
//! | [`LocalConnector`] | `EMBEDDING_MODEL_DIR` | a sentence transformer: `model.onnx`, `vocab.txt` or `tokenizer.json`, and the files beside them |
//! | [`StaticConnector`] | nothing | a table of vectors for the pieces of English words, inside this program |
//!
//! `EMBEDDING_MODEL_DIR_PREVIOUS` names a model whose vectors are still searched while another takes its place. Words are
//! cut as BERT cuts them ([`wordpiece`]); models with another way of cutting are refused.

mod directory;
mod model;
mod static_table;
pub mod wordpiece;

pub use directory::LocalConnector;
pub use static_table::StaticConnector;

//! OpenAI's embeddings, as a server writes them.

use core_types::ids::string_to_uuid;
use serde_json::{Value, json};

/// The answer to a request for embeddings: vectors of this dimension, in which each word of a text has its share, so that
/// texts with words in common are near each other. They are given in the wrong order, with their numbers.
pub fn vectors(request: &Value, dimension: usize) -> Value {
    let texts: Vec<&str> = match request.get("input") {
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .rev()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text, dimension)}))
        .collect();
    json!({"object": "list", "model": request.get("model"), "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})
}

fn vector(text: &str, dimension: usize) -> Vec<f64> {
    let mut vector = vec![0.0; dimension];
    for word in text.split(|letter: char| letter.is_whitespace() || letter.is_ascii_punctuation()).filter(|word| !word.is_empty()) {
        let bytes = *string_to_uuid(&word.to_lowercase()).as_bytes();
        for (slot, byte) in vector.iter_mut().zip(bytes.iter().cycle()) {
            *slot += f64::from(*byte) - 127.5;
        }
    }
    // No text is without a direction.
    if let Some(first) = vector.first_mut() {
        *first += 1.0;
    }
    vector
}

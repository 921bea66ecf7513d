//! Giving an agent documents to know.

use serde_json::{Value, json};

use super::put;
use crate::api::Api;
use crate::cli::{Common, IngestArgs};
use crate::failure::Outcome;
use crate::figures::{Line, float, mib, rounded};
use crate::load::{Expected, Extent, Lane, Load};
use crate::target::Target;

/// Words of a page, and letters of a word: some 2,500 bytes, as a printed page has.
const WORDS: u32 = 420;
const LETTERS: u32 = 5;

pub(super) fn run(arguments: &IngestArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let agent = Api::open(&target)?.running_agent()?;
    let path = format!("/api/memory/agents/{agent}/documents");
    let pages = arguments.pages_per_document;
    let post = |first| target.request("POST", &path, Some(&document(first, pages)));
    let requests: Vec<Vec<u8>> = (0..arguments.pages).step_by(pages as usize).map(post).collect();
    let documents = requests.len();
    let idle = target.resident();
    let lanes = vec![Lane { requests: requests.into(), first: 0 }];
    let expected = Expected { status: 201, contains: "\"existing\":false" };
    let measured = put(&Load { extent: Extent::Once, ..target.load(lanes, expected) })?;
    let mut parameters = target.parameters();
    parameters.retain(|name, _| name != "seconds" && name != "warm_up_seconds");
    parameters.insert("pages".to_owned(), json!(arguments.pages));
    parameters.insert("pages_per_document".to_owned(), json!(pages));
    let resident = target.resident();
    let growth = idle.zip(resident).map(|(idle, after)| mib(after.peak.saturating_sub(idle.now)));
    let line = Line::new("ingest", parameters).measured(&measured).resident(resident);
    let per_document = float(arguments.pages.into()) / float(documents as u64);
    let rate = line.rate_per_s.map(|rate| rounded(rate * per_document));
    Ok(line.with("pages_per_s", json!(rate)).with("rss_growth_mib", json!(growth)))
}

/// A document of pages that no other has.
fn document(first: u32, pages: u32) -> Value {
    let content: Vec<String> = (first..first + pages).map(page).collect();
    json!({ "title": format!("Bench {first}"), "content": content.join("\n\n") })
}

/// A page of words that follow from its number; a few of them are on many pages.
fn page(number: u32) -> String {
    let word = |place: u32| {
        let mut seed = if place.is_multiple_of(7) { place } else { number * WORDS + place }.wrapping_mul(2_654_435_761);
        (0..LETTERS)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b'a' + u8::try_from((seed >> 24) % 26).unwrap_or_default())
            })
            .collect::<String>()
    };
    (0..WORDS).map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_another_and_of_the_usual_length() {
        let (one, other) = (page(0), page(1));
        assert_ne!(one, other);
        assert_eq!(one.len(), 2_519);
        assert_eq!(one.split(' ').next(), other.split(' ').next(), "some words are on every page");
    }
}

//! All cases hold for Doolittle: without a key, with one, and at the end of the rate limit.

use conformance::case::{Area, Target, areas};
use conformance::suite::{Outcome, Selection, Verdict};
use conformance::world::World;
use conformance::{report, stub, suite};
use testkit::server::{KEY, TestServer};

/// Cases that run at the same time, on each server.
const JOBS: usize = 24;

/// A rate limit that is soon used up, and one that never is.
const LIMIT: u32 = 20;
const NO_LIMIT: (&str, &str) = ("RATE_LIMIT_MAX", "1000000");

async fn outcomes(server: &TestServer, areas: &[Area], only: &[&str], prepare: impl FnOnce(&mut World)) -> Result<Vec<Outcome>, String> {
    let mut world = World::at(&format!("http://{}", server.address()), Target::Ours).await?;
    world.has_model = true;
    prepare(&mut world);
    let selection = Selection(only.iter().map(|word| (*word).to_owned()).collect());
    Ok(suite::run(&world, areas, &selection, JOBS, |_| {}).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_holds() {
    let areas = areas().unwrap();
    let model = stub::serve(0).await.unwrap();
    let speaking = [
        ("OPENAI_BASE_URL", model.base_url()),
        ("OPENAI_API_KEY", "x"),
        ("OPENAI_TTS_MODEL", "stub"),
        ("OPENAI_TRANSCRIPTION_MODEL", "stub"),
        NO_LIMIT,
    ];
    let with_key = [&speaking[..], &[("ELIZA_SERVER_AUTH_TOKEN", KEY)]].concat();
    let limit = LIMIT.to_string();
    let with_limit = [("RATE_LIMIT_MAX", limit.as_str())];
    let (open, keyed, limited) = tokio::join!(TestServer::with(&speaking), TestServer::with(&with_key), TestServer::with(&with_limit));
    let (on_open, on_keyed, on_limited) = tokio::join!(
        outcomes(&open, &areas, &[], |_| {}),
        outcomes(&keyed, &areas, &[], |world| world.key = Some(KEY.to_owned())),
        outcomes(&limited, &areas, &["HD-04", "SD-45"], |world| world.limit = Some(LIMIT)),
    );
    let runs = [("open", on_open.unwrap()), ("keyed", on_keyed.unwrap()), ("limited", on_limited.unwrap())];
    let failed: Vec<String> = runs
        .iter()
        .flat_map(|(server, outcomes)| outcomes.iter().map(move |outcome| (server, outcome)))
        .filter(|(_, outcome)| matches!(outcome.verdict, Verdict::Failed(_)))
        .map(|(server, outcome)| format!("{server}: {}", report::line(outcome)))
        .collect();
    assert!(failed.is_empty(), "{} failures:\n{}", failed.len(), failed.concat());
    // What one server lacks another has, so no case may be left out.
    let was_run = |id: &str| runs.iter().any(|(_, outcomes)| outcomes.iter().any(|outcome| outcome.id == id && outcome.was_run()));
    let left_out: Vec<&str> = areas.iter().flat_map(|area| &area.cases).map(|case| case.id.as_str()).filter(|id| !was_run(id)).collect();
    assert!(left_out.is_empty(), "never run: {left_out:?}");
}

#[test]
fn the_table_in_the_documentation_is_that_of_the_cases() {
    let page = include_str!("../../../docs/conformance.md").replace("\r\n", "\n");
    let table = report::table(&areas().unwrap());
    assert!(page.contains(&table), "put what `cargo run -p conformance -- --list` prints into docs/conformance.md");
}

//! The promises of what attests a server.

use std::collections::BTreeSet;
use std::sync::Arc;

use core_types::tee::{Attestor, Evidence, EvidenceKind, MAX_EVIDENCE_BYTES, ReportData};

/// Report data of which each byte has its own place.
fn about(number: u8) -> ReportData {
    std::array::from_fn(|place| u8::try_from(place).unwrap_or_default() ^ number)
}

async fn evidence(attestor: &dyn Attestor, report_data: ReportData) -> Evidence {
    attestor.attest(report_data).await.unwrap_or_else(|error| panic!("no evidence was given: {error:?}"))
}

/// What the hardware signed has the report data in it, as they were given.
pub async fn evidence_is_about_what_was_given(attestor: Arc<dyn Attestor>) {
    for report_data in [[0; 64], [0xff; 64], about(0x5a)] {
        let evidence = evidence(attestor.as_ref(), report_data).await;
        assert_eq!(evidence.report_data, report_data);
        assert!(evidence.quote.windows(report_data.len()).any(|window| window == report_data), "the quote does not say so");
    }
}

/// Evidence about other report data is other evidence.
pub async fn evidence_about_something_else_is_other_evidence(attestor: Arc<dyn Attestor>) {
    let quotes: BTreeSet<Vec<u8>> =
        [evidence(attestor.as_ref(), about(1)).await.quote, evidence(attestor.as_ref(), about(2)).await.quote].into();
    assert_eq!(quotes.len(), 2);
}

/// The kind of evidence never changes, and says whether it is made up.
pub async fn the_kind_of_evidence_is_always_the_same(attestor: Arc<dyn Attestor>) {
    let kind = evidence(attestor.as_ref(), about(1)).await.kind;
    assert_eq!(evidence(attestor.as_ref(), about(2)).await.kind, kind);
    assert_eq!(kind == EvidenceKind::Simulated, attestor.is_simulated());
}

/// Evidence has something in it and is bounded.
pub async fn evidence_is_bounded(attestor: Arc<dyn Attestor>) {
    let evidence = evidence(attestor.as_ref(), about(3)).await;
    let texts = [&evidence.event_log, &evidence.vm_config];
    assert!((1..=MAX_EVIDENCE_BYTES).contains(&evidence.quote.len()));
    assert!(texts.into_iter().flatten().all(|text| (1..=4 * MAX_EVIDENCE_BYTES).contains(&text.len())));
    assert!(evidence.auxiliary.is_none_or(|bytes| (1..=MAX_EVIDENCE_BYTES).contains(&bytes.len())));
}

/// Evidence that is got at once is not mixed up.
pub async fn evidence_that_is_got_at_once_is_not_mixed_up(attestor: Arc<dyn Attestor>) {
    let all = (0..8).map(|number| {
        let attestor = Arc::clone(&attestor);
        tokio::spawn(async move { (number, evidence(attestor.as_ref(), about(number)).await.report_data) })
    });
    for got in all.collect::<Vec<_>>() {
        let (number, report_data) = got.await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report_data, about(number));
    }
}

/// A caller who leaves spoils nothing for the next.
pub async fn a_caller_who_leaves_spoils_nothing(attestor: Arc<dyn Attestor>) {
    for number in 0..3 {
        let asked = attestor.attest(about(number));
        // It begins, or is done already; either way nobody waits for it any more.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(1), asked).await;
    }
    assert_eq!(evidence(attestor.as_ref(), about(9)).await.report_data, about(9));
}

/// An attestor says what it is, in a word and for a person.
pub async fn an_attestor_says_what_it_is(attestor: Arc<dyn Attestor>) {
    let word = attestor.provider();
    assert!(!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word:?}");
    assert!(!attestor.describe().is_empty());
    assert_eq!(attestor.describe().contains("SIMULATED"), attestor.is_simulated());
    // It says so after it was asked too.
    evidence(attestor.as_ref(), about(1)).await;
    assert_eq!(attestor.provider(), word);
}

/// Makes a test of every promise, each with an attestor of its own. `$make` is a function without arguments that gives
/// `(Arc<dyn Attestor>, guard)`; it is called in a Tokio runtime, and the guard lives as long as the test.
#[macro_export]
macro_rules! tee_contract {
    ($make:ident) => {
        $crate::tee_contract!(@ $make;
            evidence_is_about_what_was_given,
            evidence_about_something_else_is_other_evidence,
            the_kind_of_evidence_is_always_the_same,
            evidence_is_bounded,
            evidence_that_is_got_at_once_is_not_mixed_up,
            a_caller_who_leaves_spoils_nothing,
            an_attestor_says_what_it_is
        );
    };
    (@ $make:ident; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let (attestor, _guard) = $make();
                $crate::tee::$promise(attestor).await;
            }
        )+
    };
}

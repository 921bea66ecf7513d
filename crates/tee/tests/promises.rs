//! What attests a server keeps its promises: the simulator, and the guest agent of dstack, which is played behind a real socket.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::sync::Arc;

use core_types::tee::Attestor;
use doolittle_tee::Simulator;

mod simulator {
    use super::{Arc, Attestor, Simulator};

    fn make() -> (Arc<dyn Attestor>, ()) {
        (Arc::new(Simulator), ())
    }

    contract::tee_contract!(make);
}

#[cfg(unix)]
mod dstack {
    use std::time::{Duration, Instant};

    use core_types::tee::{AttestError, MAX_EVIDENCE_BYTES};
    use doolittle_tee::Dstack;
    use serde_json::json;
    use testkit::guest_agent::{GuestAgent, QUOTE, quote_about, with_quote};

    use super::{Arc, Attestor};

    fn make() -> (Arc<dyn Attestor>, GuestAgent) {
        let agent = GuestAgent::honest();
        (Arc::new(Dstack::new(agent.socket().to_owned()).unwrap()), agent)
    }

    contract::tee_contract!(make);

    fn at(agent: &GuestAgent) -> Dstack {
        Dstack::with_time(agent.socket().to_owned(), Duration::from_secs(20)).unwrap()
    }

    #[tokio::test]
    async fn the_agent_is_asked_as_it_documents_and_all_that_it_says_is_kept() {
        let agent = GuestAgent::honest();
        let evidence = at(&agent).attest([0xab; 64]).await.unwrap();
        assert_eq!(agent.asked(), [("POST /GetQuote HTTP/1.1".to_owned(), json!({"report_data": "ab".repeat(64)}))]);
        assert_eq!(evidence.quote, quote_about(&[0xab; 64]));
        assert!(evidence.event_log.unwrap().contains("app-id") && evidence.vm_config.unwrap().contains("cpu_count"));
    }

    #[tokio::test]
    async fn an_agent_that_says_less_or_writes_hex_otherwise_is_understood() {
        let agent = GuestAgent::answering(|_| {
            let quote = quote_about(&[7; 64]).iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02X}"));
            Some((200, json!({ "quote": quote, "more": 1 }).to_string()))
        });
        let evidence = at(&agent).attest([7; 64]).await.unwrap();
        assert_eq!((evidence.event_log, evidence.vm_config, evidence.auxiliary), (None, None, None));
    }

    #[tokio::test]
    async fn what_is_no_quote_about_what_was_asked_is_a_defect() {
        for said in [
            with_quote(QUOTE, &json!(null)),
            with_quote(&quote_about(&[9; 64]), &json!("ab".repeat(64))),
            with_quote(b"no quote", &json!(null)),
            with_quote(b"", &json!(null)),
            Some((200, json!({"quote": "no hex"}).to_string())),
            Some((200, json!({"quot": ""}).to_string())),
            Some((200, "no JSON".to_owned())),
            Some((200, String::new())),
            Some((200, " ".repeat(4 * MAX_EVIDENCE_BYTES + 1))),
            Some((400, json!({"error": "bad"}).to_string())),
            Some((302, String::new())),
        ] {
            let shown: String = format!("{said:?}").chars().take(80).collect();
            let agent = GuestAgent::answering(move |_| said.clone());
            let failed = at(&agent).attest([0xab; 64]).await;
            assert!(matches!(failed, Err(AttestError::Defect(_))), "{shown}: {failed:?}");
        }
    }

    #[tokio::test]
    async fn an_agent_that_is_not_there_or_fails_is_unavailable_and_what_it_says_is_for_the_log() {
        let failing = GuestAgent::answering(|_| Some((500, json!({"error": "no\u{1b}[2J hardware"}).to_string())));
        let Err(AttestError::Unavailable(source)) = at(&failing).attest([1; 64]).await else { panic!("not unavailable") };
        assert!(source.to_string().contains("hardware") && !source.to_string().contains('\u{1b}'), "{source}");
        let gone = at(&GuestAgent::honest());
        let Err(error @ AttestError::Unavailable(_)) = gone.attest([1; 64]).await else { panic!("not unavailable") };
        assert!(!error.to_string().contains("sock"), "nothing of the inside: {error}");
    }

    #[tokio::test]
    async fn an_agent_that_does_not_answer_is_given_up_in_time() {
        let silent = GuestAgent::answering(|_| None);
        let dstack = Dstack::with_time(silent.socket().to_owned(), Duration::from_millis(100)).unwrap();
        let began = Instant::now();
        assert!(matches!(dstack.attest([1; 64]).await, Err(AttestError::Unavailable(_))));
        assert!(began.elapsed() < Duration::from_secs(15));
    }
}

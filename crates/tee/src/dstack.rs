//! The guest agent of dstack (<https://github.com/Dstack-TEE/dstack>): HTTP over a socket of the virtual machine.
//!
//! `POST /GetQuote` with `{"report_data": <hex, at most 64 bytes>}` answers `{"quote": <hex>, "event_log": <text>, "report_data": <hex>,
//! "vm_config": <text>}`, and an error is `{"error": <text>}` with another status than 200.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use core_types::tee::{AttestError, Attestor, Evidence, EvidenceKind, MAX_EVIDENCE_BYTES, ReportData};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::crypto::{CryptoProvider, ring};
use serde::Deserialize;
use serde_json::json;

use crate::{checked, defect, unavailable};

/// The host is only a name: every connection goes to the socket.
const GET_QUOTE: &str = "http://dstack/GetQuote";

/// For a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// For the whole exchange; a quote takes the hardware a second or two.
const TIME: Duration = Duration::from_secs(30);
/// The most bytes of an answer: its parts, of which the quote takes two bytes each.
const ANSWER_BYTES: usize = 4 * MAX_EVIDENCE_BYTES;
/// How much of what the agent says of a failure goes to the log.
const REASON_CHARS: usize = 200;

/// A guest agent.
#[derive(Debug, Clone)]
pub struct Dstack {
    client: Client,
    socket: PathBuf,
}

#[derive(Deserialize)]
struct Answer {
    quote: String,
    #[serde(default)]
    event_log: String,
    #[serde(default)]
    vm_config: String,
}

impl Dstack {
    /// The agent behind this socket. Nothing is asked of it yet.
    pub fn new(socket: PathBuf) -> Result<Self, AttestError> {
        Self::with_time(socket, TIME)
    }

    /// The same, with another time within which the agent must have answered.
    pub fn with_time(socket: PathBuf, time: Duration) -> Result<Self, AttestError> {
        install_crypto_provider();
        let client = Client::builder()
            .unix_socket(socket.as_path())
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            // No connection is encrypted, so no certificate is looked for.
            .tls_certs_only([])
            .connect_timeout(CONNECT)
            .timeout(time)
            .build()
            .map_err(unavailable)?;
        Ok(Self { client, socket })
    }

    async fn quote(&self, report_data: &ReportData) -> Result<Answer, AttestError> {
        let asked = self.client.post(GET_QUOTE).json(&json!({"report_data": hex::encode(report_data)}));
        let response = asked.send().await.map_err(unavailable)?;
        let status = response.status();
        let body = read(response).await?;
        if !status.is_success() {
            let reason: String = String::from_utf8_lossy(&body).chars().filter(|char| !char.is_control()).take(REASON_CHARS).collect();
            let failure = format!("the guest agent answers {status}: {reason}");
            return Err(if status.is_server_error() { unavailable(failure) } else { defect(failure) });
        }
        serde_json::from_slice(&body).map_err(defect)
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, AttestError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unavailable)? {
        if body.len() + piece.len() > ANSWER_BYTES {
            return Err(defect(format!("the guest agent's answer has more than {ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// The HTTP library panics without a provider of cryptography; one that is already there is kept.
fn install_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}

#[async_trait]
impl Attestor for Dstack {
    fn provider(&self) -> &'static str {
        "dstack"
    }

    fn describe(&self) -> String {
        format!("dstack, {}", self.socket.display())
    }

    fn is_simulated(&self) -> bool {
        false
    }

    async fn attest(&self, report_data: ReportData) -> Result<Evidence, AttestError> {
        let answer = self.quote(&report_data).await?;
        let quote = hex::decode(answer.quote.strip_prefix("0x").unwrap_or(&answer.quote)).map_err(defect)?;
        checked(Evidence {
            kind: EvidenceKind::Tdx,
            report_data,
            quote,
            event_log: filled(answer.event_log),
            vm_config: filled(answer.vm_config),
            auxiliary: None,
        })
    }
}

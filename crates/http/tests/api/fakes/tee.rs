//! A service whose signatures are none.

use async_trait::async_trait;
use core_types::tee::format::{self, Statement};
use core_types::tee::{Challenge, Evidence, EvidenceKind, LogQuery, PublicKey, SignedAnswer, Signer, TeeService};
use core_types::{AgentId, Caller, ServiceResult, Timestamp};
use serde_json::{Value, json};

use super::{Call, Fakes, NOW, object};

struct FakeSigner;

impl Signer for FakeSigner {
    fn public_key(&self) -> PublicKey {
        [7; 32]
    }

    fn sign(&self, _: &[u8]) -> Vec<u8> {
        vec![9; 64]
    }
}

fn signed(statement: Statement, says: Value) -> SignedAnswer {
    let evidence = Evidence {
        kind: EvidenceKind::SevSnp,
        report_data: [1; 64],
        quote: vec![2; 4],
        event_log: None,
        vm_config: Some("{}".to_owned()),
        auxiliary: Some(vec![3]),
    };
    format::sign(statement, Timestamp::from_millis(NOW), None, object(says), (&FakeSigner, "fake"), &evidence).unwrap()
}

#[async_trait]
impl TeeService for Fakes {
    async fn status(&self, _: &Caller, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        self.note(Call::Nonce("status", nonce))?;
        Ok(signed(Statement::Status, json!({})))
    }

    async fn attest(&self, _: &Caller, report_data: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        self.note(Call::Attest(report_data))?;
        Ok(signed(Statement::Attestation, json!({"reportData": "00"})))
    }

    async fn agents(&self, _: &Caller, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        self.note(Call::Nonce("agents", nonce))?;
        Ok(signed(Statement::Agents, json!({"agents": []})))
    }

    async fn agent(&self, _: &Caller, id: AgentId, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        self.note(Call::AttestedAgent(id, nonce))?;
        Ok(signed(Statement::Agent, json!({"agent": {"id": id}, "configurationHash": "ab"})))
    }

    async fn logs(&self, _: &Caller, query: LogQuery, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        self.note(Call::AttestedLogs(query, nonce))?;
        Ok(signed(Statement::Logs, json!({"logs": {"data": []}})))
    }
}

//! Evidence that is made up.

use async_trait::async_trait;
use core_types::tee::{AttestError, Attestor, Evidence, EvidenceKind, ReportData};

use crate::quote;

/// Makes evidence up, so that what uses it can be developed without the hardware. It says of itself that it is worth nothing, it is no quote
/// of any hardware, and nothing takes it for one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Simulator;

#[async_trait]
impl Attestor for Simulator {
    fn provider(&self) -> &'static str {
        "simulator"
    }

    fn describe(&self) -> String {
        "SIMULATED: the evidence is made up and proves nothing".to_owned()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    async fn attest(&self, report_data: ReportData) -> Result<Evidence, AttestError> {
        let quote = quote::simulated(&report_data);
        Ok(Evidence { kind: EvidenceKind::Simulated, report_data, quote, event_log: None, vm_config: None, auxiliary: None })
    }
}

//! Evidence that a server runs in a trusted execution environment: how it is got, and how it is checked.
//!
//! - [`Dstack`] asks the guest agent of dstack, over its socket, for a TDX quote.
//! - [`Configfs`] asks the kernel, through `configfs-tsm`, for a TDX quote or an SEV-SNP report.
//! - [`Simulator`] makes evidence up, to develop against.
//! - [`verify`] checks an answer that a server signed, from the signature down to the quote, and a TDX quote itself.
//!
//! What is signed, and how, is the format of `core_types::tee::format`. No attestor is believed: each looks whether the quote that it got is
//! about the report data that it asked for.

mod configfs;
#[cfg(unix)]
mod dstack;
mod quote;
mod simulator;
pub mod verify;

pub use configfs::Configfs;
#[cfg(unix)]
pub use dstack::Dstack;
pub use simulator::Simulator;

use core_types::error::Source;
use core_types::tee::{AttestError, Evidence, MAX_EVIDENCE_BYTES};

/// Evidence that is about what it says it is about; a defect otherwise.
fn checked(evidence: Evidence) -> Result<Evidence, AttestError> {
    if evidence.quote.len() > MAX_EVIDENCE_BYTES {
        return Err(defect(format!("the quote has more than {MAX_EVIDENCE_BYTES} bytes")));
    }
    let contents = quote::read(evidence.kind, &evidence.quote).map_err(defect)?;
    if contents.report_data == evidence.report_data {
        Ok(evidence)
    } else {
        Err(defect("the quote is about other report data than were asked for"))
    }
}

fn defect(source: impl Into<Source>) -> AttestError {
    AttestError::Defect(source.into())
}

fn unavailable(source: impl Into<Source>) -> AttestError {
    AttestError::Unavailable(source.into())
}

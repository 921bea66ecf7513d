//! What a quote says, whoever signed it.

use core_types::tee::{EvidenceKind, ReportData};
use dcap_qvl::quote::Quote;
use derive_more::{Display, Error};

/// What simulated evidence begins with; the report data follow.
const SIMULATED: &[u8] = b"doolittle simulated evidence: no hardware stands behind this\n";

/// The bytes of an SEV-SNP report, and where in it the report data, the measurement and the host's data are (AMD's SEV-SNP firmware ABI
/// specification, table `ATTESTATION_REPORT`).
const SNP_BYTES: usize = 0x4a0;
const SNP_REPORT_DATA: usize = 0x50;
const SNP_MEASUREMENT: usize = 0x90;
const SNP_HOST_DATA: usize = 0xc0;

/// What a quote says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    /// What it is about.
    pub(crate) report_data: ReportData,
    /// What was measured, by name.
    pub(crate) measurements: Vec<(&'static str, Vec<u8>)>,
}

/// The bytes are no quote of the kind.
#[derive(Debug, Clone, PartialEq, Eq, Display, Error)]
pub(crate) enum NoQuote {
    /// Not even that.
    #[display("it is no TDX quote: {_0}")]
    Tdx(#[error(not(source))] String),
    /// A quote of another machine.
    #[display("it is a quote of SGX, not of TDX")]
    Sgx,
    /// Not even that.
    #[display("it is no SEV-SNP report")]
    SevSnp,
    /// Not what the simulator makes.
    #[display("it is no simulated evidence")]
    Simulated,
}

/// Reads a quote of this kind. Nothing about its signatures is said.
pub(crate) fn read(kind: EvidenceKind, quote: &[u8]) -> Result<Contents, NoQuote> {
    match kind {
        EvidenceKind::Tdx => tdx(quote),
        EvidenceKind::SevSnp => sev_snp(quote).ok_or(NoQuote::SevSnp),
        EvidenceKind::Simulated => read_simulated(quote).ok_or(NoQuote::Simulated),
    }
}

/// What the simulator makes.
pub(crate) fn simulated(report_data: &ReportData) -> Vec<u8> {
    [SIMULATED, &report_data[..]].concat()
}

fn read_simulated(quote: &[u8]) -> Option<Contents> {
    let report_data = quote.strip_prefix(SIMULATED)?.try_into().ok()?;
    Some(Contents { report_data, measurements: Vec::new() })
}

fn tdx(quote: &[u8]) -> Result<Contents, NoQuote> {
    let quote = Quote::parse(quote).map_err(|error| NoQuote::Tdx(error.to_string()))?;
    let report = quote.report.as_td10().ok_or(NoQuote::Sgx)?;
    let measurements = [
        ("mrtd", report.mr_td),
        ("rtmr0", report.rt_mr0),
        ("rtmr1", report.rt_mr1),
        ("rtmr2", report.rt_mr2),
        ("rtmr3", report.rt_mr3),
        ("mrconfigid", report.mr_config_id),
    ];
    Ok(Contents {
        report_data: report.report_data,
        measurements: measurements.into_iter().map(|(name, bytes)| (name, bytes.to_vec())).collect(),
    })
}

fn sev_snp(report: &[u8]) -> Option<Contents> {
    if report.len() != SNP_BYTES {
        return None;
    }
    let part = |from: usize, bytes: usize| report.get(from..from + bytes).map(<[u8]>::to_vec);
    Some(Contents {
        report_data: part(SNP_REPORT_DATA, size_of::<ReportData>())?.try_into().ok()?,
        measurements: vec![("measurement", part(SNP_MEASUREMENT, 48)?), ("hostdata", part(SNP_HOST_DATA, 32)?)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TDX: &[u8] = include_bytes!("../tests/fixtures/tdx_quote");

    #[test]
    fn a_tdx_quote_is_read() {
        let contents = read(EvidenceKind::Tdx, TDX).unwrap();
        assert_eq!(contents.report_data[..4], [0x9a, 0x9d, 0x48, 0xe7]);
        assert_eq!(contents.report_data[..], TDX[568..632]);
        assert_eq!(contents.measurements.len(), 6);
        assert!(contents.measurements.iter().all(|(_, bytes)| bytes.len() == 48));
    }

    #[test]
    fn an_sev_snp_report_is_read() {
        let report: Vec<u8> = (0..SNP_BYTES).map(|place| u8::try_from(place % 251).unwrap()).collect();
        let contents = read(EvidenceKind::SevSnp, &report).unwrap();
        assert_eq!(contents.report_data[..], report[80..144]);
        assert_eq!(contents.measurements, [("measurement", report[144..192].to_vec()), ("hostdata", report[192..224].to_vec())]);
        assert!(read(EvidenceKind::SevSnp, &report[1..]).is_err());
    }

    #[test]
    fn no_kind_of_evidence_is_read_as_another() {
        let made_up = simulated(&[7; 64]);
        assert_eq!(read(EvidenceKind::Simulated, &made_up).unwrap().report_data, [7; 64]);
        for (kind, quote) in [
            (EvidenceKind::Tdx, made_up.as_slice()),
            (EvidenceKind::SevSnp, &made_up),
            (EvidenceKind::Simulated, TDX),
            (EvidenceKind::SevSnp, TDX),
            (EvidenceKind::Simulated, &made_up[1..]),
            (EvidenceKind::Simulated, &[&made_up[..], b"x"].concat()),
            (EvidenceKind::Tdx, b""),
            (EvidenceKind::SevSnp, b""),
            (EvidenceKind::Simulated, b""),
        ] {
            assert!(read(kind, quote).is_err(), "{kind}");
        }
    }
}

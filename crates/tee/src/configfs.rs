//! Linux `configfs-tsm`: the kernel's own interface to TDX and SEV-SNP (`Documentation/ABI/testing/configfs-tsm-report`).
//!
//! A directory that is made below the report directory is a request: the report data are written to its `inblob`, and reading its `outblob`
//! has the hardware make the report. `provider` says whose hardware it is, `auxblob` has certificates where there are any, and `generation`
//! counts what is written, so that a request that somebody else wrote to is noticed. Removing the directory ends the request.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::error::Source;
use core_types::tee::{AttestError, Attestor, Evidence, EvidenceKind, MAX_EVIDENCE_BYTES, ReportData};
use derive_more::{Display, Error};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::{checked, defect, unavailable};

/// How long a report may take, its turn included.
const TIME: Duration = Duration::from_secs(30);
/// Requests at once. One that the hardware does not answer keeps its thread, and with that its turn.
const TURNS: usize = 4;
/// How often a request is made again after somebody else wrote to it.
const TRIES: usize = 5;

/// The kernel, by its report directory.
#[derive(Clone)]
pub struct Configfs {
    root: PathBuf,
    turns: Arc<Semaphore>,
    requests: Arc<dyn Requests>,
    time: Duration,
}

/// Making and ending a request: the two steps in which the kernel's directory differs from one of files, since the kernel fills what is made,
/// and empties it itself.
trait Requests: Send + Sync {
    fn make(&self, path: &Path) -> io::Result<()>;
    fn end(&self, path: &Path) -> io::Result<()>;
}

struct Kernel;

impl Requests for Kernel {
    fn make(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn end(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

/// A file of a request that cannot be read or written.
#[derive(Debug, Display, Error)]
#[display("{name} of {}", path.display())]
struct Unusable {
    name: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A request. It ends when this is dropped.
struct Request<'a> {
    path: PathBuf,
    requests: &'a dyn Requests,
}

impl Configfs {
    /// Makes requests below this directory, the kernel's `/sys/kernel/config/tsm/report`.
    pub fn new(root: PathBuf) -> Self {
        Self { root, turns: Arc::new(Semaphore::new(TURNS)), requests: Arc::new(Kernel), time: TIME }
    }

    /// Blocks until there is evidence.
    fn evidence(&self, report_data: &ReportData) -> Result<Evidence, AttestError> {
        for _ in 0..TRIES {
            let request = Request::make(&self.root, self.requests.as_ref())?;
            if let Some(evidence) = request.evidence(report_data)? {
                return checked(evidence);
            }
        }
        Err(unavailable("others write to every request"))
    }
}

impl<'a> Request<'a> {
    /// Makes a request under a name that nobody else has.
    fn make(root: &Path, requests: &'a dyn Requests) -> Result<Self, AttestError> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|error| unavailable(error.to_string()))?;
        let path = root.join(format!("doolittle-{}", hex::encode(name)));
        requests.make(&path).map_err(|source| unavailable(Unusable { name: "the directory", path: path.clone(), source }))?;
        Ok(Self { path, requests })
    }

    /// What the hardware says; `None` where somebody else wrote to the request meanwhile.
    fn evidence(&self, report_data: &ReportData) -> Result<Option<Evidence>, AttestError> {
        let generation = self.generation()?;
        self.write("inblob", report_data).map_err(unavailable)?;
        let provider = self.text("provider")?;
        let quote = match self.read("outblob") {
            // The request was written to while it was read.
            Err(error) if matches!(error.source.kind(), ErrorKind::WouldBlock | ErrorKind::ResourceBusy) => return Ok(None),
            read => read.map_err(unavailable)?,
        };
        let auxiliary = match self.read("auxblob") {
            // Not every hardware has any, and then there is no such file.
            Err(error) if error.source.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(unavailable)?,
        };
        if self.generation()? != generation.wrapping_add(1) {
            return Ok(None);
        }
        let kind = match provider.as_str() {
            "tdx_guest" => EvidenceKind::Tdx,
            "sev_guest" => EvidenceKind::SevSnp,
            _ => return Err(defect(format!("the provider {provider:?} is not one of tdx_guest and sev_guest"))),
        };
        let auxiliary = Some(auxiliary).filter(|bytes| !bytes.is_empty());
        Ok(Some(Evidence { kind, report_data: *report_data, quote, event_log: None, vm_config: None, auxiliary }))
    }

    /// How often the request was written to.
    fn generation(&self) -> Result<u64, AttestError> {
        self.text("generation")?.parse().map_err(|_| defect("generation is no number"))
    }

    fn text(&self, name: &'static str) -> Result<String, AttestError> {
        let bytes = self.read(name).map_err(unavailable)?;
        String::from_utf8(bytes).map(|text| text.trim().to_owned()).map_err(defect)
    }

    fn read(&self, name: &'static str) -> Result<Vec<u8>, Unusable> {
        let unusable = |source| Unusable { name, path: self.path.clone(), source };
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_EVIDENCE_BYTES).unwrap_or(u64::MAX);
        let file = File::open(self.path.join(name)).map_err(unusable)?;
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unusable)?;
        if bytes.len() > MAX_EVIDENCE_BYTES {
            return Err(unusable(io::Error::new(ErrorKind::InvalidData, format!("it has more than {MAX_EVIDENCE_BYTES} bytes"))));
        }
        Ok(bytes)
    }

    /// Writes a file in one go. The kernel takes it when it is closed.
    fn write(&self, name: &'static str, bytes: &[u8]) -> Result<(), Unusable> {
        let unusable = |source| Unusable { name, path: self.path.clone(), source };
        let mut file = OpenOptions::new().write(true).open(self.path.join(name)).map_err(unusable)?;
        file.write_all(bytes).map_err(unusable)
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.requests.end(&self.path) {
            log::warn!("the request {} cannot be removed: {error}", self.path.display());
        }
    }
}

#[async_trait]
impl Attestor for Configfs {
    fn provider(&self) -> &'static str {
        "configfs-tsm"
    }

    fn describe(&self) -> String {
        format!("configfs-tsm, {}", self.root.display())
    }

    fn is_simulated(&self) -> bool {
        false
    }

    async fn attest(&self, report_data: ReportData) -> Result<Evidence, AttestError> {
        let kernel = self.clone();
        let work = async {
            let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(unavailable)?;
            let evidence = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                kernel.evidence(&report_data)
            });
            evidence.await.map_err(unavailable)?
        };
        let late = |_| unavailable(Source::from(format!("the kernel gave no report within {} s", self.time.as_secs())));
        timeout(self.time, work).await.map_err(late)?
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;

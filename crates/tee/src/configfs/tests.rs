//! The kernel's side is played by directories of files and pipes: what is written to `inblob` is read by a thread, which then counts up
//! `generation` and writes `outblob`, so that everything happens in the order in which the kernel does it.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;

const TDX: &[u8] = include_bytes!("../../tests/fixtures/tdx_quote");

/// How the hardware behaves.
#[derive(Clone, Copy)]
struct Play {
    provider: &'static str,
    /// Makes the report.
    report: fn(&[u8]) -> Vec<u8>,
    auxiliary: Option<&'static [u8]>,
    /// To how many requests somebody else writes too, counted from the first.
    disturbed: usize,
}

const INTEL: Play = Play { provider: "tdx_guest", report: tdx_about, auxiliary: None, disturbed: 0 };
const AMD: Play = Play { provider: "sev_guest", report: snp_about, auxiliary: Some(b"certificates"), disturbed: 0 };

struct FakeKernel {
    play: Play,
    made: AtomicUsize,
    ended: AtomicUsize,
}

fn tdx_about(report_data: &[u8]) -> Vec<u8> {
    let mut quote = TDX.to_vec();
    quote[568..632].copy_from_slice(report_data);
    quote
}

fn snp_about(report_data: &[u8]) -> Vec<u8> {
    let mut report = vec![0; 0x4a0];
    report[0x50..0x90].copy_from_slice(report_data);
    report
}

impl Requests for FakeKernel {
    fn make(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)?;
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let play = self.play;
        fs::write(path.join("provider"), format!("{}\n", play.provider))?;
        fs::write(path.join("generation"), "41\n")?;
        if let Some(bytes) = play.auxiliary {
            fs::write(path.join("auxblob"), bytes)?;
        }
        let pipes = ["inblob", "outblob"].map(|name| path.join(name));
        assert!(Command::new("mkfifo").args(&pipes).status()?.success());
        let [asked, told] = pipes;
        let generation = path.join("generation");
        std::thread::spawn(move || {
            let report_data = fs::read(asked).unwrap();
            let writes = if number < play.disturbed { 43 } else { 42 };
            fs::write(generation, format!("{writes}\n")).unwrap();
            // Nobody reads where the provider is not known.
            let _ = fs::write(told, (play.report)(&report_data));
        });
        Ok(())
    }

    fn end(&self, path: &Path) -> io::Result<()> {
        self.ended.fetch_add(1, Ordering::SeqCst);
        fs::remove_dir_all(path)
    }
}

fn kernel(play: Play) -> (Configfs, Arc<FakeKernel>, TempDir) {
    let root = tempfile::tempdir().unwrap();
    let kernel = Arc::new(FakeKernel { play, made: AtomicUsize::new(0), ended: AtomicUsize::new(0) });
    let requests = Arc::<FakeKernel>::clone(&kernel);
    (Configfs { requests, ..Configfs::new(root.path().to_owned()) }, kernel, root)
}

mod tdx {
    use super::*;

    fn make() -> (Arc<dyn Attestor>, TempDir) {
        let (configfs, _, root) = kernel(INTEL);
        (Arc::new(configfs), root)
    }

    contract::tee_contract!(make);
}

mod sev_snp {
    use super::*;

    fn make() -> (Arc<dyn Attestor>, TempDir) {
        let (configfs, _, root) = kernel(AMD);
        (Arc::new(configfs), root)
    }

    contract::tee_contract!(make);
}

#[tokio::test]
async fn the_provider_says_whose_evidence_it_is_and_certificates_come_with_it() {
    let evidence = kernel(INTEL).0.attest([1; 64]).await.unwrap();
    assert_eq!((evidence.kind, evidence.auxiliary), (EvidenceKind::Tdx, None));
    let (configfs, _, root) = kernel(AMD);
    let evidence = configfs.attest([1; 64]).await.unwrap();
    assert_eq!((evidence.kind, evidence.auxiliary.as_deref()), (EvidenceKind::SevSnp, Some(&b"certificates"[..])));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "the request is removed");
}

#[tokio::test]
async fn a_request_that_somebody_else_wrote_to_is_made_again() {
    let (configfs, kernel, _root) = kernel(Play { disturbed: 2, ..INTEL });
    assert_eq!(configfs.attest([1; 64]).await.unwrap().report_data, [1; 64]);
    assert_eq!((kernel.made.load(Ordering::SeqCst), kernel.ended.load(Ordering::SeqCst)), (3, 3));
}

#[tokio::test]
async fn somebody_who_writes_to_every_request_is_told_of_and_nothing_is_left_behind() {
    let (configfs, kernel, root) = kernel(Play { disturbed: usize::MAX, ..INTEL });
    assert!(matches!(configfs.attest([1; 64]).await, Err(AttestError::Unavailable(_))));
    assert_eq!(kernel.made.load(Ordering::SeqCst), TRIES);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_no_report_about_what_was_asked_is_a_defect() {
    for play in [
        Play { report: |_| tdx_about(&[9; 64]), ..INTEL },
        Play { report: |_| b"no quote".to_vec(), ..INTEL },
        Play { report: |_| Vec::new(), ..INTEL },
        Play { provider: "arm_cca_guest", ..INTEL },
        Play { provider: "sev_guest", ..INTEL },
        Play { provider: "tdx_guest", ..AMD },
    ] {
        let (configfs, _, root) = kernel(play);
        let failed = configfs.attest([1; 64]).await;
        assert!(matches!(failed, Err(AttestError::Defect(_))), "{}: {failed:?}", play.provider);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
    let endless = Play { report: |_| vec![0; MAX_EVIDENCE_BYTES + 1], ..INTEL };
    assert!(matches!(kernel(endless).0.attest([1; 64]).await, Err(AttestError::Unavailable(_))));
}

#[tokio::test]
async fn a_kernel_without_the_interface_is_unavailable() {
    let root = tempfile::tempdir().unwrap();
    let missing = Configfs::new(root.path().join("tsm/report"));
    assert!(matches!(missing.attest([1; 64]).await, Err(AttestError::Unavailable(_))));
    // A directory of which the kernel makes nothing.
    let empty = Configfs::new(root.path().to_owned());
    assert!(matches!(empty.attest([1; 64]).await, Err(AttestError::Unavailable(_))));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn hardware_that_does_not_answer_is_given_up_and_keeps_a_bounded_number_of_threads() {
    struct Silent;

    impl Requests for Silent {
        fn make(&self, path: &Path) -> io::Result<()> {
            fs::create_dir(path)?;
            fs::write(path.join("generation"), "0\n")?;
            // Whoever opens it waits until somebody reads, and nobody does.
            assert!(Command::new("mkfifo").arg(path.join("inblob")).status()?.success());
            Ok(())
        }

        fn end(&self, path: &Path) -> io::Result<()> {
            fs::remove_dir_all(path)
        }
    }

    let root = tempfile::tempdir().unwrap();
    let time = Duration::from_millis(200);
    let configfs = Configfs { requests: Arc::new(Silent), time, ..Configfs::new(root.path().to_owned()) };
    for _ in 0..=TURNS {
        assert!(matches!(configfs.attest([1; 64]).await, Err(AttestError::Unavailable(_))));
    }
    assert_eq!(configfs.turns.available_permits(), 0);
    let stuck: Vec<PathBuf> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path().join("inblob")).collect();
    assert_eq!(stuck.len(), TURNS);
    // Let them go, or the runtime would wait for them.
    for pipe in stuck {
        drop(fs::read(pipe));
    }
}

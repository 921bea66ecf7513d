//! The data directory: everything that the server keeps on disk lies below it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

use crate::exit::{Exit, Failure};

/// Makes sure that the directory exists, for its owner only where it is created here, and that it can be written.
pub fn prepare(path: &Path) -> Result<(), Failure> {
    create(path).map_err(|error| unusable(path, "be created", error))?;
    let probe = path.join(format!(".write-probe-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| unusable(path, "be written", error))
}

fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn unusable(path: &Path, what: &str, error: io::Error) -> Failure {
    Failure::new(
        Exit::DataDir,
        format!(
            "the data directory {} cannot {what}; mend its permissions or choose another with --data-dir (ELIZA_DATA_DIR)",
            path.display()
        ),
    )
    .because(error)
}

#[cfg(test)]
mod tests {
    use super::prepare;
    use crate::exit::Exit;

    #[test]
    fn a_missing_directory_is_created_for_its_owner_only() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        prepare(&path).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0, "no probe is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        prepare(&path).unwrap();
    }

    #[test]
    fn a_file_in_its_place_is_refused_with_advice() {
        let temporary = tempfile::NamedTempFile::new().unwrap();
        let failure = prepare(temporary.path()).unwrap_err();
        assert_eq!(failure.exit, Exit::DataDir);
        let story = failure.story();
        assert!(story.contains("--data-dir") && story.contains("because: "), "{story}");
    }
}

//! Names of things that are not whole yet, and how they become whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use core_types::Timestamp;
use core_types::media::MediaName;

/// The directory of files in a backup.
pub const MEDIA: &str = "media";
/// The middle of the name of what is being made.
const PARTIAL: &str = "partial-";
/// For so many milliseconds nobody has touched what is taken for abandoned: a day, and ten minutes.
const UNTOUCHED: i64 = 24 * 60 * 60 * 1_000;
const UNTOUCHED_AND_ALONE: i64 = 10 * 60 * 1_000;

/// The name under which something is made that will be at `path`; no other process has the same. A path that ends without a name, as `..`
/// does, has no such name beside it: what would be made there, and removed again, is what lies at the path.
pub fn partial(path: &Path) -> io::Result<PathBuf> {
    if path.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path ends without a name"));
    }
    Ok(path.with_added_extension(format!("{PARTIAL}{}", std::process::id())))
}

/// Whether a file or directory of this name is something that is not finished.
pub fn is_partial(name: &str) -> bool {
    maker(name).is_some()
}

/// The number of the process that makes what has this name, or has left it unfinished; `None` where it is something else.
fn maker(name: &str) -> Option<u32> {
    let (before, process) = name.rsplit_once(PARTIAL)?;
    let digits = process.split(|letter: char| !letter.is_ascii_digit()).next()?;
    before.ends_with('.').then(|| digits.parse().ok()).flatten()
}

/// Whether nobody works any more on something that is not finished: it was not touched for a day, or for ten minutes where no such process
/// is to be seen. That may be one of another machine or container.
pub fn is_abandoned(path: &Path, now: Timestamp) -> io::Result<bool> {
    let Some(maker) = path.file_name().and_then(|name| name.to_str()).and_then(maker) else { return Ok(false) };
    let touched = match touched(path) {
        // It has got its name, or is gone.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        touched => touched?,
    };
    let touched = touched.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let age = now.millis().saturating_sub(touched);
    let seen = maker != std::process::id() && (!cfg!(target_os = "linux") || Path::new("/proc").join(maker.to_string()).exists());
    Ok(age >= if seen { UNTOUCHED } else { UNTOUCHED_AND_ALONE })
}

/// When something was written to last, or anything below it.
fn touched(path: &Path) -> io::Result<SystemTime> {
    let metadata = path.symlink_metadata()?;
    let mut newest = metadata.modified()?;
    if metadata.is_dir() {
        for entry in path.read_dir()? {
            newest = newest.max(touched(&entry?.path())?);
        }
    }
    Ok(newest)
}

/// Creates a directory for its owner only, unless it is there.
pub fn directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates a directory for its owner only, where nothing is: whoever made it may remove it with all that is in it.
pub fn new_directory(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        directory(parent)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| match error.kind() {
        // Another process had the same number, as the only one of a container has.
        io::ErrorKind::AlreadyExists => io::Error::other("something lies there that was never finished: remove it, and try again"),
        _ => error,
    })
}

/// Creates a file for its owner only, where nothing is.
pub fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the names in a directory survive a power cut. Only Unix can say so; elsewhere the file system does it by itself.
pub fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Gives something that is whole its name, for good.
pub fn publish(partial: &Path, path: &Path) -> io::Result<()> {
    fs::rename(partial, path)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync(parent),
        None => sync(Path::new(".")),
    }
}

/// The path of an uploaded file below the directory of such files, in the order that `media-files` keeps.
pub fn media_path(name: MediaName) -> String {
    let name = name.to_string();
    format!("{}/{name}", name.get(..2).unwrap_or_default())
}

/// The uploaded file that a path in a backup is; `None` where it is something else.
pub fn media_name(path: &str) -> Option<MediaName> {
    let name = path.strip_prefix(MEDIA)?.strip_prefix('/')?;
    let known: MediaName = name.split_once('/')?.1.parse().ok()?;
    (media_path(known) == name).then_some(known)
}

#[cfg(test)]
mod tests {
    use core_types::MediaId;
    use core_types::media::{MediaName, MediaType};

    use super::*;

    #[test]
    fn only_names_that_we_gave_are_names() {
        let name = MediaName::new(MediaId::from_bits(0xab << 120), MediaType::Png);
        let path = format!("{MEDIA}/{}", media_path(name));
        assert_eq!(path, format!("media/ab/{name}"));
        assert_eq!(media_name(&path), Some(name));
        for bad in ["media", "media/", "media/../x", &format!("media/cd/{name}"), &format!("media/{name}"), &format!("/media/ab/{name}")] {
            assert_eq!(media_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_not_finished_is_known_by_its_name() {
        assert!(is_partial(partial(Path::new("x/backup.tar")).unwrap().file_name().unwrap().to_str().unwrap()));
        assert!(is_partial("backup.partial-77.database"));
        assert!(!is_partial("backup.tar") && !is_partial("partial-9") && !is_partial("a.partial-tar"));
    }

    #[cfg(unix)]
    #[test]
    fn what_somebody_works_on_is_not_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        let touched = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let make = |process: u32| {
            let path = directory.path().join(format!("doolittle-x.{PARTIAL}{process}"));
            fs::create_dir(&path).unwrap();
            let file = new_file(&path.join("doolittle.db")).unwrap();
            file.set_modified(touched).unwrap();
            File::open(&path).unwrap().set_modified(touched - std::time::Duration::from_secs(100_000)).unwrap();
            path
        };
        let after = |minutes: i64| Timestamp::from_millis((1_700_000_000 + 60 * minutes) * 1_000);
        // The largest number that Linux gives is 2^22.
        let gone = make(4_000_000_000);
        assert!(!is_abandoned(&gone, after(9)).unwrap(), "it may be of another machine");
        assert_eq!(is_abandoned(&gone, after(11)).unwrap(), cfg!(target_os = "linux"));
        let runs = make(std::os::unix::process::parent_id());
        assert!(!is_abandoned(&runs, after(23 * 60)).unwrap());
        assert!(is_abandoned(&runs, after(25 * 60)).unwrap());
        assert!(!is_abandoned(directory.path(), after(1_000_000)).unwrap());
    }

    #[test]
    fn what_lies_at_a_path_is_never_what_is_being_made_for_it() {
        for path in ["", ".", "..", "/", "a/.."] {
            assert!(partial(Path::new(path)).is_err(), "{path}");
        }
        let directory = tempfile::tempdir().unwrap();
        let new = directory.path().join("a/b");
        new_directory(&new).unwrap();
        assert!(new_directory(&new).is_err(), "what is there is somebody's");
    }
}

//! Names of things that are not whole yet, and how they become whole.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use core_types::media::MediaName;

/// The directory of files in a backup.
pub const MEDIA: &str = "media";
/// The middle of the name of what is being made.
const PARTIAL: &str = "partial-";

/// The name under which something is made that will be at `path`; no other process has the same.
pub fn partial(path: &Path) -> PathBuf {
    path.with_added_extension(format!("{PARTIAL}{}", std::process::id()))
}

/// Whether a file or directory of this name is something that was never finished.
pub fn is_partial(name: &str) -> bool {
    name.rsplit_once(PARTIAL)
        .is_some_and(|(before, process)| before.ends_with('.') && process.bytes().next().is_some_and(|first| first.is_ascii_digit()))
}

/// Creates a directory for its owner only, unless it is there.
pub fn directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
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
        assert!(is_partial(partial(Path::new("x/backup.tar")).file_name().unwrap().to_str().unwrap()));
        assert!(is_partial("backup.partial-77.database"));
        assert!(!is_partial("backup.tar") && !is_partial("partial-9") && !is_partial("a.partial-tar"));
    }
}

//! The directory whose files characters may name in their `knowledge`.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use core_types::knowledge::{FilesUnavailable, Format, KnowledgeFile, KnowledgeFiles, SOURCE_LIMIT};

/// Directories within directories that are looked into.
const DEPTH: usize = 16;
/// Entries of directories that are looked at for one path.
const ENTRIES: usize = 100_000;

/// Finds and reads files below one directory, and nothing else.
#[derive(Debug, Clone)]
pub struct KnowledgeDirectory {
    root: PathBuf,
}

impl KnowledgeDirectory {
    /// The files of this directory, which need not exist.
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

#[async_trait]
impl KnowledgeFiles for KnowledgeDirectory {
    async fn find(&self, path: &str) -> Result<Vec<KnowledgeFile>, FilesUnavailable> {
        let (root, path) = (self.root.clone(), path.to_owned());
        let found = tokio::task::spawn_blocking(move || find(&root, &path)).await;
        found.map_err(|_| unavailable("the files of its knowledge could not be looked for"))?
    }

    async fn read(&self, file: &KnowledgeFile) -> Result<Bytes, FilesUnavailable> {
        let (root, path) = (self.root.clone(), file.path.clone());
        let read = tokio::task::spawn_blocking(move || read(&root, &path)).await;
        read.map_err(|_| unavailable("the file could not be read"))?
    }
}

/// A path as it truly is, if that lies below the directory: canonical paths have no `..` and no links left.
fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    root.join(path).canonicalize().ok().filter(|found| found.starts_with(root))
}

fn find(root: &Path, path: &str) -> Result<Vec<KnowledgeFile>, FilesUnavailable> {
    let absent = || unavailable(format!("there is no {path:?} below the directory of knowledge (KNOWLEDGE_PATH)"));
    let root = root.canonicalize().map_err(|_| absent())?;
    let start = below(&root, Path::new(path)).filter(|_| !path.trim().is_empty()).ok_or_else(absent)?;
    let named = |file: &Path| {
        let path = file.strip_prefix(&root).ok()?.to_str()?.replace(std::path::MAIN_SEPARATOR, "/");
        Format::of_file(&path).map(|format| KnowledgeFile { path, format })
    };
    if start.is_file() {
        let formats = "txt, md, html, pdf and docx";
        return named(&start).map(|file| vec![file]).ok_or_else(|| unavailable(format!("{path:?} is none of the formats {formats}")));
    }
    let mut files = Vec::new();
    let mut left = ENTRIES;
    let mut open = vec![(start, 0)];
    while let Some((directory, depth)) = open.pop() {
        for entry in fs::read_dir(&directory).map_err(|_| absent())?.flatten() {
            left = left.checked_sub(1).ok_or_else(|| unavailable(format!("{path:?} has more than {ENTRIES} entries")))?;
            let Some(found) = below(&root, &entry.path()) else { continue };
            if found.is_dir() && depth < DEPTH && !entry.path().is_symlink() {
                open.push((found, depth + 1));
            } else if found.is_file() {
                files.extend(named(&found));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup();
    Ok(files)
}

fn read(root: &Path, path: &str) -> Result<Bytes, FilesUnavailable> {
    let absent = |_| unavailable("it cannot be read");
    let root = root.canonicalize().map_err(absent)?;
    let file = below(&root, Path::new(path)).ok_or_else(|| unavailable("it is not there any more"))?;
    let mut bytes = Vec::new();
    let limit = SOURCE_LIMIT as u64;
    File::open(file).map_err(absent)?.take(limit + 1).read_to_end(&mut bytes).map_err(absent)?;
    if bytes.len() as u64 > limit { Err(unavailable(format!("it is larger than {} MB", limit >> 20))) } else { Ok(bytes.into()) }
}

fn unavailable(message: impl Into<String>) -> FilesUnavailable {
    FilesUnavailable { message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_files_below_the_directory_are_found_and_read() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("knowledge");
        fs::create_dir_all(root.join("team/deep")).unwrap();
        for (path, text) in [("team/b.md", "b"), ("team/a.TXT", "a"), ("team/deep/c.html", "c"), ("team/d.exe", "d"), ("e.pdf", "e")] {
            fs::write(root.join(path), text).unwrap();
        }
        fs::write(outside.path().join("secret.txt"), "secret").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.txt"), root.join("team/link.txt")).unwrap();
        std::os::unix::fs::symlink(&root, root.join("team/loop")).unwrap();
        let files = KnowledgeDirectory::new(root.clone());
        let paths = |found: Vec<KnowledgeFile>| found.into_iter().map(|file| file.path).collect::<Vec<_>>();
        assert_eq!(paths(files.find("team").await.unwrap()), ["team/a.TXT", "team/b.md", "team/deep/c.html"]);
        assert_eq!(paths(files.find(".").await.unwrap()).len(), 4);
        assert_eq!(paths(files.find("./team/../e.pdf").await.unwrap()), ["e.pdf"]);
        let secret = outside.path().join("secret.txt");
        for path in ["../secret.txt", "team/link.txt", "..", "/", "", " ", "team/d.exe", "none", "/etc/passwd", secret.to_str().unwrap()] {
            assert!(files.find(path).await.is_err(), "{path}");
        }
        let file = |path: &str| KnowledgeFile { path: path.to_owned(), format: Format::Text };
        assert_eq!(files.read(&file("team/b.md")).await.unwrap(), "b");
        for path in ["../secret.txt", "team/link.txt", "none", "team"] {
            assert!(files.read(&file(path)).await.is_err(), "{path}");
        }
    }
}

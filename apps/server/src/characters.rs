//! Characters in files: the directory that `characterPath` may name, public addresses where the operator lets it name them, and
//! the agent of an empty database.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::agents::{CharacterLibrary, CharacterUnavailable};
use core_types::fetch::Fetcher;
use serde_json::Value;
use tokio::time::timeout;

/// The largest character file in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// How long a character may take that is elsewhere.
const PATIENCE: Duration = Duration::from_secs(10);

/// The character of the agent that an empty database gets.
pub const ELIZA: &str = include_str!("../../../characters/eliza.json");

/// Reads characters below one directory, and nothing else unless it is given what fetches them from elsewhere.
#[derive(Clone)]
pub struct CharacterDirectory {
    root: PathBuf,
    elsewhere: Option<Arc<dyn Fetcher>>,
}

impl CharacterDirectory {
    /// The library of this directory, which need not exist, and of public addresses where there is what fetches from them.
    pub const fn new(root: PathBuf, elsewhere: Option<Arc<dyn Fetcher>>) -> Self {
        Self { root, elsewhere }
    }

    async fn fetch(&self, url: &str) -> Result<Value, CharacterUnavailable> {
        let Some(fetcher) = &self.elsewhere else {
            let advice = "send the character itself as `characterJson`, or let the server fetch it with ALLOW_REMOTE_CHARACTERS";
            return Err(unavailable(&format!("characters are not read from the network; {advice}")));
        };
        let answer = timeout(PATIENCE, fetcher.fetch(url, MAX_BYTES)).await;
        let answer = answer.map_err(|_late| unavailable(&format!("the character did not arrive within {} s", PATIENCE.as_secs())))?;
        let answer = answer.map_err(|error| unavailable(&format!("the character cannot be fetched: {error}")))?;
        serde_json::from_slice(&answer.bytes).map_err(|_| unavailable("what is at the address is not JSON"))
    }
}

#[async_trait]
impl CharacterLibrary for CharacterDirectory {
    async fn read(&self, path: &str) -> Result<Value, CharacterUnavailable> {
        if path.contains("://") {
            return self.fetch(path).await;
        }
        let (root, path) = (self.root.clone(), PathBuf::from(path));
        let read = tokio::task::spawn_blocking(move || read(&root, &path)).await;
        read.map_err(|_| unavailable("the character could not be read"))?
    }
}

/// The same answer for every path that leads elsewhere and for every file that does not exist, so that nobody can find
/// out which files there are.
fn read(root: &Path, path: &Path) -> Result<Value, CharacterUnavailable> {
    let absent = || unavailable("there is no such file below the characters directory (ELIZA_DATA_DIR_CHARACTERS)");
    let root = root.canonicalize().map_err(|_| absent())?;
    // Canonical paths have no `..` and no links left, so that the prefix says where the file truly lies.
    let file = [path.to_path_buf(), path.with_added_extension("json")]
        .iter()
        .filter_map(|path| root.join(path).canonicalize().ok())
        .find(|file| file.starts_with(&root) && file.is_file())
        .ok_or_else(absent)?;
    let mut text = String::new();
    let bytes = std::fs::File::open(file).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text));
    match bytes {
        Ok(bytes) if bytes > MAX_BYTES => Err(unavailable("the character file is larger than 1 MB")),
        Ok(_) => serde_json::from_str(&text).map_err(|_| unavailable("the character file is not JSON")),
        Err(_) => Err(unavailable("the character file cannot be read as text")),
    }
}

fn unavailable(message: &str) -> CharacterUnavailable {
    CharacterUnavailable { message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use core_types::fetch::{FetchError, Fetched};

    use super::*;

    #[tokio::test]
    async fn only_files_below_the_directory_are_read() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("characters");
        std::fs::create_dir_all(root.join("team")).unwrap();
        std::fs::write(root.join("team/bob.json"), r#"{"name":"Bob"}"#).unwrap();
        std::fs::write(root.join("broken.json"), "SECRET-CONTENT").unwrap();
        std::fs::write(outside.path().join("secret.json"), "{}").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.json"), root.join("link.json")).unwrap();
        let library = CharacterDirectory::new(root.clone(), None);
        let absolute = root.join("team/bob.json");
        for path in ["team/bob.json", "team/bob", absolute.to_str().unwrap()] {
            assert_eq!(library.read(path).await.unwrap()["name"], "Bob", "{path}");
        }
        let secret = outside.path().join("secret.json");
        for path in ["../secret.json", "team/../../secret.json", "link.json", "link", secret.to_str().unwrap(), "team", "", "/etc/passwd"] {
            let error = library.read(path).await.unwrap_err().to_string();
            assert!(error.contains("no such file"), "{path}: {error}");
        }
        let error = library.read("broken").await.unwrap_err().to_string();
        assert!(!error.contains("SECRET") && error.contains("not JSON"), "{error}");
        assert!(library.read("http://127.0.0.1/x.json").await.unwrap_err().to_string().contains("network"));
    }

    /// The world outside, with one character in it and one address that never answers.
    struct Outside;

    #[async_trait]
    impl Fetcher for Outside {
        async fn fetch(&self, url: &str, limit: usize) -> Result<Fetched, FetchError> {
            let bytes = match url {
                "https://example.org/bob.json" => br#"{"name":"Bob"}"#.to_vec(),
                "https://example.org/page" => b"<html>SECRET-CONTENT</html>".to_vec(),
                "https://example.org/vast" => return Err(FetchError::TooLarge { limit }),
                "https://example.org/slow" => std::future::pending().await,
                _ => return Err(FetchError::Forbidden { reason: "it is not of http or https".to_owned() }),
            };
            Ok(Fetched { content_type: "text/plain".to_owned(), bytes: bytes.into() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_elsewhere_is_fetched_where_the_operator_allows_it() {
        let library = CharacterDirectory::new(PathBuf::from("nowhere"), Some(Arc::new(Outside)));
        assert_eq!(library.read("https://example.org/bob.json").await.unwrap()["name"], "Bob");
        for (url, why) in [
            ("https://example.org/page", "not JSON"),
            ("https://example.org/vast", "more than 1048576 bytes"),
            ("https://example.org/slow", "within 10 s"),
            ("file:///etc/passwd", "not public"),
        ] {
            let error = library.read(url).await.unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("SECRET"), "{url}: {error}");
        }
        assert!(library.read("bob").await.unwrap_err().to_string().contains("no such file"), "files are still files");
        let closed = CharacterDirectory::new(PathBuf::from("nowhere"), None);
        assert!(closed.read("https://example.org/bob.json").await.unwrap_err().to_string().contains("ALLOW_REMOTE_CHARACTERS"));
    }

    #[test]
    fn the_default_agent_has_the_id_that_everybody_knows() {
        let character = core_types::character::parse(&serde_json::from_str(ELIZA).unwrap()).unwrap();
        assert_eq!(
            character.id.unwrap_or_else(|| core_types::AgentId::of_name(&character.character.name)),
            core_types::AgentId::of_name("Eliza")
        );
        assert_eq!(character.warnings, [""; 0]);
    }
}

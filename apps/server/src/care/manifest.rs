//! What a backup says of itself.

use std::collections::HashSet;

use core_types::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::progress::size;
use crate::wiring;

/// Its name in a backup.
pub const FILE: &str = "manifest.json";
/// The name of the file that has its SHA-256, as `sha256sum` writes and checks it.
pub const SUM_FILE: &str = "manifest.sha256";
/// The version of the form of backups.
const FORMAT: u32 = 1;

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// What this is a manifest of: `backup`.
    pub doolittle: String,
    /// The version of its form.
    pub format: u32,
    /// The version of the program that made it.
    pub program: String,
    /// The moment that it shows, in ISO 8601.
    pub created_at: String,
    /// The same in milliseconds since 1970.
    pub created_at_millis: i64,
    /// What kind of database it has: `sqlite`.
    pub database: String,
    /// The newest migration of the database.
    pub schema: Option<String>,
    /// Whether the key is in it, under which agents' secrets are encrypted.
    pub key: bool,
    /// Where in a log it stands, that is kept beside.
    pub log: Option<LogPlace>,
    /// Whether the database in it is one of those things that are not as they should be: a backup before may have a better one.
    #[serde(default)]
    pub damaged: bool,
    /// What was not as it should be when it was made.
    pub problems: Vec<String>,
    /// Every other file.
    pub files: Vec<Entry>,
}

/// From where on a log has all that came after a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// Which log.
    pub lineage: String,
    /// The number of the first segment that may have anything that is not in the backup.
    pub segment: u64,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path in the backup.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// A manifest of no files yet.
    pub fn new(at: Timestamp) -> Self {
        Self {
            doolittle: "backup".to_owned(),
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: at.iso(),
            created_at_millis: at.millis(),
            database: "sqlite".to_owned(),
            schema: None,
            key: false,
            log: None,
            damaged: false,
            problems: Vec::new(),
            files: Vec::new(),
        }
    }

    /// All bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// How much it is, for a person, such as `1 file, 12.5 MB`.
    pub fn extent(&self) -> String {
        let count = self.files.len();
        format!("{count} {}, {}", if count == 1 { "file" } else { "files" }, size(self.bytes()))
    }

    /// What is wrong with what it lists, whatever the files are like: no backup is without its database, and none has a file twice.
    pub fn flaws(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let twice = self.files.iter().filter(|file| !seen.insert(file.name.as_str()));
        let mut flaws: Vec<String> = twice.map(|file| format!("{FILE} lists {:?} more than once", file.name)).collect();
        if !seen.contains(wiring::DATABASE) {
            flaws.push(format!("{FILE} lists no {}, without which it is no backup", wiring::DATABASE));
        }
        flaws
    }

    /// Its text and the text of the file with its sum.
    pub fn texts(&self) -> serde_json::Result<(String, String)> {
        let text = format!("{}\n", serde_json::to_string_pretty(self)?);
        let sum = sum_of(&text);
        Ok((text, sum))
    }

    /// Reads what [`texts`](Self::texts) wrote; an error says what is wrong.
    pub fn read(text: &str, sum: &str) -> Result<Self, String> {
        if sum_of(text) != sum {
            return Err(format!("{FILE} and {SUM_FILE} do not fit together"));
        }
        let read: Self = serde_json::from_str(text).map_err(|error| format!("{FILE} cannot be read: {error}"))?;
        match (read.doolittle.as_str(), read.format) {
            ("backup", FORMAT) => Ok(read),
            ("backup", later) => Err(format!("{FILE} has the form {later}, which a later version of this program reads")),
            _ => Err(format!("{FILE} is not of a backup")),
        }
    }
}

fn sum_of(text: &str) -> String {
    format!("{}  {FILE}\n", hex::encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_back_and_any_changed_byte_is_seen() {
        let entry = Entry { name: "doolittle.db".to_owned(), bytes: 4096, sha256: "ab".repeat(32) };
        let manifest = Manifest { files: vec![entry], schema: Some("0007".to_owned()), ..Manifest::new(Timestamp::from_millis(1_000)) };
        let (text, sum) = manifest.texts().unwrap();
        assert_eq!(Manifest::read(&text, &sum), Ok(manifest));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Manifest::read(&String::from_utf8_lossy(&bytes), &sum).is_err(), "byte {at} of the manifest");
        }
        for at in 0..sum.len() {
            let mut bytes = sum.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Manifest::read(&text, &String::from_utf8_lossy(&bytes)).is_err(), "byte {at} of its sum");
        }
    }

    #[test]
    fn a_backup_has_a_database_and_no_file_twice() {
        for (names, expected) in [
            (&["doolittle.db"][..], &[][..]),
            (&["media/ab/x", "doolittle.db", "secret.key"], &[]),
            (&[], &["lists no doolittle.db"]),
            (&["secret.key"], &["lists no doolittle.db"]),
            (&["doolittle.db", "secret.key", "doolittle.db"], &["lists \"doolittle.db\" more than once"]),
            (&["secret.key", "secret.key"], &["lists \"secret.key\" more than once", "lists no doolittle.db"]),
        ] {
            let entry = |name: &&str| Entry { name: (*name).to_owned(), bytes: 0, sha256: String::new() };
            let manifest = Manifest { files: names.iter().map(entry).collect(), ..Manifest::new(Timestamp::from_millis(0)) };
            let flaws = manifest.flaws();
            assert_eq!(flaws.len(), expected.len(), "{names:?}: {flaws:?}");
            assert!(flaws.iter().zip(expected).all(|(flaw, expected)| flaw.contains(expected)), "{names:?}: {flaws:?}");
        }
    }

    #[test]
    fn a_later_form_is_refused_by_name() {
        let (text, sum) = Manifest { format: 2, ..Manifest::new(Timestamp::from_millis(0)) }.texts().unwrap();
        assert!(Manifest::read(&text, &sum).unwrap_err().contains("later version"));
    }
}

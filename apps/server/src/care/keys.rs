//! Whether the keys beside a database that was copied or restored open the agents' secrets in it.

use std::path::Path;

use auth::SecretVault;
use core_types::secrets::Vault as _;
use persistence::care::{self, CareError};

use crate::secret_key;

/// Secrets of a database that no key opens.
pub(super) struct Unopened {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub all: usize,
}

/// The secrets of a frozen database that neither the keys in the text of a key file nor the salts of the settings open; `None` where
/// all are opened.
pub(super) fn unopened(database: &Path, file: &[u8], salts: &SecretVault) -> Result<Option<Unopened>, CareError> {
    let keys = secret_key::of_text(file);
    let mut found = Unopened { count: 0, all: 0 };
    care::sealed(database, |agent, secret| {
        let opens = |vault: &SecretVault| vault.open(agent, secret).is_ok();
        found.all += 1;
        found.count += usize::from(!(opens(salts) || keys.as_ref().is_some_and(opens)));
    })?;
    Ok((found.count > 0).then_some(found))
}

/// The text of a key file with all keys that it has now, as they are there, and below them those that it had before and has not any more.
pub(super) fn union(now: &[u8], before: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = Vec::new();
    for line in [now, before].into_iter().flat_map(|text| text.split(|byte| *byte == b'\n')).map(<[u8]>::trim_ascii) {
        if !line.is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::union;

    #[test]
    fn keys_of_both_times_are_kept_once_the_later_ones_first() {
        for (now, before, expected) in [
            ("b", "a", "b\na"),
            ("c\nb\n", "b\r\na\n", "c\nb\na"),
            ("a", "b\na", "a\nb"),
            ("a\n", "a", "a"),
            ("", "a", "a"),
            ("\n a \n\na", "", "a"),
            ("", "", ""),
        ] {
            let made = union(now.as_bytes(), before.as_bytes());
            assert_eq!(String::from_utf8(made).unwrap(), expected, "{now:?} after {before:?}");
        }
    }
}

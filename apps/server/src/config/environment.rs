//! The one place that reads the environment of the process.

use std::collections::BTreeMap;
use std::env::VarError;
use std::path::PathBuf;

use super::table::SettingId;

/// The settings that the environment sets. Empty values are as good as none.
pub fn settings() -> Result<BTreeMap<SettingId, String>, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut problems = Vec::new();
    for id in SettingId::ALL {
        match variable(id.setting().name) {
            Ok(value) if value.is_empty() => {}
            Ok(value) => {
                found.insert(*id, value);
            }
            Err(VarError::NotPresent) => {}
            Err(VarError::NotUnicode(_)) => problems.push(format!("{} (environment) is not UTF-8", id.setting().name)),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// The directories in which programs are found.
pub fn program_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// The name of the person at this terminal, where the system tells it.
pub fn login_name() -> Option<String> {
    ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| variable(name).ok().filter(|value| !value.trim().is_empty()))
}

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn variable(name: &str) -> Result<String, VarError> {
    std::env::var(name)
}

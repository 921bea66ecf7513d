//! Which value holds: flag > environment > `<data-dir>/.env` > TOML file > default.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use core_types::Secret;

use super::setting::{Fallback, Origin, Resolved};
use super::table::SettingId;
use super::{InvalidConfig, dotenv, file};

/// The most bytes that a settings file may have.
pub(crate) const MAX_FILE: u64 = 1 << 20;

/// The name of the settings file in the data directory.
pub(crate) const DOTENV: &str = ".env";

/// Where values come from. The `.env` is found by the data directory.
#[derive(Clone, Default)]
pub struct Sources {
    /// The command line.
    pub flags: BTreeMap<SettingId, String>,
    /// The environment of the process.
    pub environment: BTreeMap<SettingId, String>,
    /// The TOML file that the command line names; it must exist.
    pub file: Option<PathBuf>,
    /// The directory whose `doolittle.toml` is read where the command line names none; empty for the present one.
    pub working_dir: PathBuf,
    /// The directories in which programs are found.
    pub program_path: Vec<PathBuf>,
}

/// Without the values, of which some are secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sources")
            .field("flags", &self.flags.keys())
            .field("environment", &self.environment.keys())
            .field("file", &self.file)
            .field("working_dir", &self.working_dir)
            .field("program_path", &self.program_path)
            .finish()
    }
}

/// Every setting, in the order of the table, and what is worth a warning.
#[derive(Debug)]
pub struct Resolution {
    /// The settings.
    pub values: Vec<Resolved>,
    /// What was read and has no effect.
    pub warnings: Vec<String>,
}

/// Finds the value of every setting and checks it. All problems are reported together.
pub fn resolve(sources: &Sources) -> Result<Resolution, InvalidConfig> {
    resolve_with(sources, read)
}

/// The same with this text in the place of the `.env`.
pub(crate) fn resolve_with_dotenv(sources: &Sources, text: &str) -> Result<Resolution, InvalidConfig> {
    resolve_with(sources, |_| Ok(text.to_owned()))
}

fn resolve_with(sources: &Sources, read_dotenv: impl FnOnce(&Path) -> io::Result<String>) -> Result<Resolution, InvalidConfig> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let file = Layer::file(sources, &mut problems);
    let environment = Layer { values: present(&sources.environment), origin: |_, _| Origin::Environment, path: PathBuf::new() };
    let flags = Layer {
        values: present(&sources.flags),
        origin: |id, _| id.setting().flag.map_or(Origin::Unset, Origin::Flag),
        path: PathBuf::new(),
    };
    let data_dir = pick(SettingId::DataDir, &[&flags, &environment, &file]).value;
    let dotenv = Path::new(data_dir.as_ref().map_or("", Secret::reveal)).join(DOTENV);
    let text = read_dotenv(&dotenv);
    let dotenv = Layer::dotenv(dotenv, text, &mut problems, &mut warnings);
    let layers = [&flags, &environment, &dotenv, &file];
    let values: Vec<Resolved> = SettingId::ALL.iter().map(|id| pick(*id, &layers)).collect();
    for resolved in &values {
        if let Some(Err(reason)) = resolved.value.as_ref().map(|value| resolved.id.setting().kind.check(value.reveal())) {
            problems.push(format!("{} ({}) {reason}", resolved.id.setting().name, resolved.origin));
        }
    }
    problems.extend(out_of_order(&values));
    if problems.is_empty() { Ok(Resolution { values, warnings }) } else { Err(InvalidConfig { problems }) }
}

/// What is wrong with the bounds on sessions, which only make sense together.
fn out_of_order(values: &[Resolved]) -> Option<String> {
    let minutes = |id: SettingId| values.iter().find(|resolved| resolved.id == id)?.value.as_ref()?.reveal().parse::<u64>().ok();
    let [least, usual, most] = [SettingId::SessionLeast, SettingId::SessionTimeout, SettingId::SessionMost].map(|id| (id, minutes(id)));
    let ((low, Some(least)), (mid, Some(usual)), (high, Some(most))) = (least, usual, most) else { return None };
    let [low, mid, high] = [low, mid, high].map(|id| id.setting().name);
    (least > usual || usual > most).then(|| format!("{mid} ({usual}) must be from {low} ({least}) to {high} ({most})"))
}

/// The values of one source.
struct Layer {
    values: BTreeMap<SettingId, String>,
    origin: fn(SettingId, &Path) -> Origin,
    path: PathBuf,
}

impl Layer {
    fn file(sources: &Sources, problems: &mut Vec<String>) -> Self {
        let path = sources.file.clone().unwrap_or_else(|| sources.working_dir.join("doolittle.toml"));
        let values = match read(&path) {
            Ok(text) => file::parse(&text).unwrap_or_else(|found| {
                problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", path.display())));
                BTreeMap::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && sources.file.is_none() => BTreeMap::new(),
            Err(error) => {
                problems.push(format!("{} cannot be read: {error}", path.display()));
                BTreeMap::new()
            }
        };
        Self { values: present(&values), origin: |_, path| Origin::File(path.to_owned()), path }
    }

    fn dotenv(path: PathBuf, text: io::Result<String>, problems: &mut Vec<String>, warnings: &mut Vec<String>) -> Self {
        let entries = match text.map(|text| dotenv::parse(&text)) {
            Ok(Ok(entries)) => entries,
            Ok(Err(malformed)) => {
                problems.push(format!("{}: {malformed}", path.display()));
                Vec::new()
            }
            // A data directory that is a file is told where the directory is prepared.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Vec::new(),
            Err(error) => {
                problems.push(format!("{} cannot be read: {error}", path.display()));
                Vec::new()
            }
        };
        let mut values: BTreeMap<SettingId, String> =
            entries.into_iter().filter_map(|(name, value)| SettingId::by_name(&name).map(|id| (id, value))).collect();
        if values.remove(&SettingId::DataDir).is_some() {
            warnings.push(format!("ELIZA_DATA_DIR in {} has no effect: the file lies in the data directory", path.display()));
        }
        Self { values: present(&values), origin: |_, path| Origin::DotEnv(path.to_owned()), path }
    }
}

/// Reads a settings file; one larger than the limit is an error.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if length as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {MAX_FILE} bytes")));
    }
    Ok(text)
}

/// Without the empty values, which are as good as none.
fn present(values: &BTreeMap<SettingId, String>) -> BTreeMap<SettingId, String> {
    values.iter().filter(|(_, value)| !value.is_empty()).map(|(id, value)| (*id, value.clone())).collect()
}

fn pick(id: SettingId, layers: &[&Layer]) -> Resolved {
    let found = layers.iter().find_map(|layer| layer.values.get(&id).map(|value| (value.clone(), (layer.origin)(id, &layer.path))));
    let (value, origin) = match (found, id.setting().fallback) {
        (Some((value, origin)), _) => (Some(value), origin),
        (None, Fallback::Value(value)) => (Some(value.to_owned()), Origin::Default),
        (None, Fallback::Derived(_) | Fallback::Unset) => (None, Origin::Unset),
    };
    Resolved { id, value: value.map(Secret::new), origin }
}

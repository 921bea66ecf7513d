//! What a setting is, and which values it may have.

use std::net::IpAddr;

use core_types::secrets::MASK;
use ipnet::IpNet;
use log::LevelFilter;

use super::table::SettingId;

/// A setting of the program, as its table describes it.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the environment and in `.env`.
    pub name: &'static str,
    /// Its key in the TOML file, dots between tables.
    pub key: &'static str,
    /// Its command line flag, without the dashes.
    pub flag: Option<&'static str>,
    /// Which values it may have.
    pub kind: Kind,
    /// What holds where nobody says anything.
    pub fallback: Fallback,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Whether `POST /api/system/environment` may write it.
    pub api_writable: bool,
    /// What it does.
    pub help: &'static str,
}

/// What holds where nobody sets a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing.
    Unset,
    /// This value.
    Value(&'static str),
    /// A value that follows from others, in words.
    Derived(&'static str),
}

/// Which values a setting may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text without control characters.
    Text,
    /// A path.
    Path,
    /// An IP address or a host name.
    Host,
    /// A key that fits a header: visible ASCII.
    Key,
    /// A whole number.
    Number {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// Yes or no.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number of bytes, perhaps with a unit.
    Size {
        /// The fewest bytes.
        least: u64,
        /// The most bytes.
        most: u64,
    },
    /// A log level.
    Level,
    /// Web origins, separated by commas.
    Origins,
    /// IP addresses or networks, separated by commas.
    Networks,
    /// An `http` or `https` address.
    HttpUrl,
    /// A `postgres` address.
    PostgresUrl,
}

impl Setting {
    pub(super) const fn new(name: &'static str, key: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, key, flag: None, kind, fallback: Fallback::Unset, secret: false, api_writable: true, help }
    }

    pub(super) const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    pub(super) const fn default(self, value: &'static str) -> Self {
        Self { fallback: Fallback::Value(value), ..self }
    }

    pub(super) const fn derived(self, words: &'static str) -> Self {
        Self { fallback: Fallback::Derived(words), ..self }
    }

    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// Who may open the server to others, or what it reads and where, is not for the API to say.
    pub(super) const fn operator_only(self) -> Self {
        Self { api_writable: false, ..self }
    }

    /// The value as it may be shown.
    pub fn shown<'a>(&self, value: &'a str) -> &'a str {
        if self.secret { MASK } else { value }
    }

    /// The default in words.
    pub const fn default_text(&self) -> &'static str {
        match self.fallback {
            Fallback::Unset => "",
            Fallback::Value(text) | Fallback::Derived(text) => text,
        }
    }
}

/// A setting with its value and where the value came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The setting.
    pub id: SettingId,
    /// Its value, wiped from memory like a secret since some are.
    pub value: Option<core_types::Secret>,
    /// Where the value came from.
    pub origin: Origin,
}

impl Resolved {
    /// The value as it may be shown; empty where there is none.
    pub fn shown(&self) -> &str {
        self.value.as_ref().map_or("", |value| self.id.setting().shown(value.reveal()))
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, derive_more::Display)]
pub enum Origin {
    /// The command line.
    #[display("--{_0}")]
    Flag(&'static str),
    /// The environment of the process.
    #[display("environment")]
    Environment,
    /// The `.env` in the data directory.
    #[display("{}", _0.display())]
    DotEnv(std::path::PathBuf),
    /// The TOML file.
    #[display("{}", _0.display())]
    File(std::path::PathBuf),
    /// The default.
    #[display("default")]
    Default,
    /// Nowhere: there is no value.
    #[display("unset")]
    Unset,
}

impl Kind {
    /// What a value of this kind looks like, for the manual.
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Path => "PATH",
            Self::Host => "HOST",
            Self::Key => "KEY",
            Self::Number { .. } => "NUMBER",
            Self::Switch => "true|false",
            Self::Choice(_) => "NAME",
            Self::Size { .. } => "SIZE",
            Self::Level => "LEVEL",
            Self::Origins => "ORIGINS",
            Self::Networks => "NETWORKS",
            Self::HttpUrl | Self::PostgresUrl => "URL",
        }
    }

    /// Whether a value is of this kind; if not, what it must be. The value is not repeated, it may be a secret.
    pub fn check(self, value: &str) -> Result<(), String> {
        if value.chars().any(char::is_control) {
            return Err("must not contain control characters".to_owned());
        }
        match self {
            Self::Text | Self::Path => Ok(()),
            Self::Host => host(value),
            Self::Key => key(value),
            Self::Number { least, most } => number(value, least, most).map(drop),
            Self::Switch => switch(value).map(drop),
            Self::Choice(words) if words.contains(&value) => Ok(()),
            Self::Choice(words) => Err(format!("must be one of {}", words.join(", "))),
            Self::Size { least, most } => size(value, least, most).map(drop),
            Self::Level => level(value).map(drop),
            Self::Origins => origins(value).map(drop),
            Self::Networks => networks(value).map(drop),
            Self::HttpUrl => address(value, &["http://", "https://"], false),
            Self::PostgresUrl => address(value, &["postgres://", "postgresql://"], true),
        }
    }
}

fn host(value: &str) -> Result<(), String> {
    let name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if value.parse::<IpAddr>().is_ok() || name(value) {
        return Ok(());
    }
    Err("must be an IP address or a host name, such as 127.0.0.1 or ::1, without port and brackets".to_owned())
}

fn key(value: &str) -> Result<(), String> {
    if value.len() <= 512 && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err("must be at most 512 visible ASCII characters without spaces, since it travels in a header".to_owned())
}

pub(super) fn number(value: &str, least: u64, most: u64) -> Result<u64, String> {
    value
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("must be a whole number between {least} and {most}"))
}

/// elizaOS's words for yes, and their opposites; anything else is a mistake, not a no.
pub(super) fn switch(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" | "on" | "enable" => Ok(true),
        "false" | "f" | "no" | "n" | "0" | "off" | "disable" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

pub(super) fn size(value: &str, least: u64, most: u64) -> Result<u64, String> {
    let lower = value.to_ascii_lowercase();
    let digits = lower.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = lower.split_at(digits);
    let factor = match unit.trim() {
        "" | "b" => Some(1_u64),
        "k" | "kb" => Some(1 << 10),
        "m" | "mb" => Some(1 << 20),
        "g" | "gb" => Some(1 << 30),
        _ => None,
    };
    count
        .parse::<u64>()
        .ok()
        .zip(factor)
        .and_then(|(count, factor)| count.checked_mul(factor))
        .filter(|bytes| (least..=most).contains(bytes))
        .ok_or_else(|| format!("must be a size such as 512kb or 2mb, between {least} and {most} bytes"))
}

pub(super) fn level(value: &str) -> Result<LevelFilter, String> {
    value.parse().map_err(|_| "must be one of off, error, warn, info, debug, trace".to_owned())
}

pub(super) fn origins(value: &str) -> Result<Vec<String>, String> {
    value.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(origin).collect()
}

fn origin(text: &str) -> Result<String, String> {
    let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    if host.is_some_and(|host| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte))) {
        return Ok(origin);
    }
    Err("must name web origins such as https://chat.example.org, separated by commas; `*` would let every web page in".to_owned())
}

pub(super) fn networks(value: &str) -> Result<Vec<IpNet>, String> {
    let network = |text: &str| text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let known = value.split(',').map(str::trim).filter(|text| !text.is_empty()).map(network).collect::<Option<_>>();
    known.ok_or_else(|| "must name IP addresses or networks such as 10.0.0.0/8, separated by commas".to_owned())
}

fn address(value: &str, schemes: &[&str], with_credentials: bool) -> Result<(), String> {
    let lower = value.to_ascii_lowercase();
    let rest = schemes.iter().find_map(|scheme| lower.strip_prefix(scheme));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(rest));
    match host {
        None | Some("") => Err(format!("must be an address that begins with {}", schemes.join(" or "))),
        Some(host) if !with_credentials && host.contains('@') => {
            Err("must not hold a user name or password; keys have settings of their own".to_owned())
        }
        Some(_) if value.contains(' ') => Err("must not contain spaces".to_owned()),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, origins, size};

    #[test]
    fn each_kind_accepts_and_refuses() {
        let number = Kind::Number { least: 1, most: 10 };
        let payload = Kind::Size { least: 1024, most: 1 << 28 };
        for (kind, value, good) in [
            (number, "1", true),
            (number, "10", true),
            (number, "0", false),
            (number, "11", false),
            (number, "-1", false),
            (number, "1.5", false),
            (number, "99999999999999999999", false),
            (Kind::Switch, "YES", true),
            (Kind::Switch, "off", true),
            (Kind::Switch, "maybe", false),
            (Kind::Choice(&["auto", "none"]), "none", true),
            (Kind::Choice(&["auto", "none"]), "some", false),
            (payload, "2mb", true),
            (payload, "2 MB", true),
            (payload, "2tb", false),
            (payload, "99999999999999gb", false),
            (payload, "mb", false),
            (Kind::Level, "Debug", true),
            (Kind::Level, "loud", false),
            (Kind::Host, "127.0.0.1", true),
            (Kind::Host, "::1", true),
            (Kind::Host, "localhost", true),
            (Kind::Host, "127.0.0.1:3000", false),
            (Kind::Key, "s3cret!", true),
            (Kind::Key, "two words", false),
            (Kind::Key, "schlüssel", false),
            (Kind::HttpUrl, "https://api.example.org/v1", true),
            (Kind::HttpUrl, "api.example.org", false),
            (Kind::HttpUrl, "http://", false),
            (Kind::HttpUrl, "https://me:pass@api.example.org", false),
            (Kind::PostgresUrl, "postgres://me:pass@db/one", true),
            (Kind::PostgresUrl, "mysql://db", false),
            (Kind::Text, "a\u{1b}b", false),
            (Kind::Origins, "https://a.example, http://localhost:5173/", true),
            (Kind::Origins, "*", false),
            (Kind::Origins, "https://a.example/path", false),
            (Kind::Networks, "127.0.0.1, 10.0.0.0/8,2001:db8::/32", true),
            (Kind::Networks, "10.0.0.0/33", false),
            (Kind::Networks, "proxy.example", false),
        ] {
            assert_eq!(kind.check(value).is_ok(), good, "{kind:?} {value:?}");
        }
    }

    #[test]
    fn sizes_count_in_powers_of_two() {
        assert_eq!(size("2mb", 0, u64::MAX), Ok(2 * 1024 * 1024));
        assert_eq!(size("100", 0, u64::MAX), Ok(100));
        assert_eq!(size("1kb", 0, u64::MAX), Ok(1024));
    }

    #[test]
    fn origins_lose_their_trailing_slash_and_case() {
        assert_eq!(origins("https://A.example/, ,http://b"), Ok(vec!["https://a.example".to_owned(), "http://b".to_owned()]));
    }
}

//! The server that a scenario measures: one that runs already, or one that is started for it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use url::Url;

use crate::cli::Common;
use crate::failure::{During, Failure, Outcome, say};
use crate::load::{Expected, Extent, Lane, Load};
use crate::machine::{self, Resident};
use crate::server::{self, Process, Start};

/// A directory for a database, removed with this.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    filesystem: Option<String>,
}

impl Place {
    /// A new directory where the options say.
    pub fn new(common: &Common) -> Outcome<Self> {
        let parent = match &common.dir {
            Some(directory) => directory.clone(),
            // Not the system's temporary directory, which is often in memory, where a commit costs nothing.
            None => server::beside().during("finding this program's directory")?,
        };
        let made = tempfile::Builder::new().prefix("bench-").tempdir_in(&parent);
        let directory = made.during(format!("making a directory in {} (--dir names another place)", parent.display()))?;
        let filesystem = machine::filesystem(directory.path());
        if filesystem.as_deref().is_some_and(machine::is_volatile) {
            say(format!("{} is in memory, so that a commit costs nothing here: name a disk with --dir", parent.display()));
        }
        Ok(Self { directory, filesystem })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The kind of filesystem that it is on, where that is known.
    pub fn filesystem(&self) -> Option<&str> {
        self.filesystem.as_deref()
    }
}

/// How many HTTP workers there are: as many as was said, or one for each processor.
pub fn workers(common: &Common) -> u16 {
    common.workers.unwrap_or_else(|| u16::try_from(machine::processors()).unwrap_or(u16::MAX))
}

/// What every line says of how it was measured.
pub fn parameters(common: &Common) -> Map<String, Value> {
    Map::from_iter([
        ("seconds".to_owned(), json!(common.seconds)),
        ("warm_up_seconds".to_owned(), json!(common.warm_up)),
        ("processors".to_owned(), json!(machine::processors())),
        ("workers".to_owned(), json!(workers(common))),
    ])
}

/// A server to measure.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    host: String,
    key: Option<String>,
    pid: Option<u32>,
    common: Common,
    // In this order: the server ends before its data are removed.
    own: Option<Process>,
    place: Option<Place>,
}

impl Target {
    /// The server that the options name, or one that is started, with one agent.
    pub fn prepare(common: &Common) -> Outcome<Self> {
        Self::prepare_with(common, &[])
    }

    /// The same; one that is started has these settings besides.
    pub fn prepare_with(common: &Common, settings: &[(&str, &str)]) -> Outcome<Self> {
        match &common.base_url {
            Some(url) => Self::running(common, url),
            None => Self::start(common, Place::new(common)?, true, settings),
        }
    }

    /// A server that is started on a database.
    pub fn started(common: &Common, place: Place, first_agent: bool) -> Outcome<Self> {
        Self::start(common, place, first_agent, &[])
    }

    fn start(common: &Common, place: Place, first_agent: bool, settings: &[(&str, &str)]) -> Outcome<Self> {
        let program = server::program(common.server.as_deref())?;
        let start = Start { program: &program, directory: place.path(), workers: common.workers, first_agent, settings };
        let process = start.run()?;
        say(format!("{} runs as process {}", program.display(), process.pid()));
        Ok(Self {
            address: process.address(),
            host: process.address().to_string(),
            key: None,
            pid: Some(process.pid()),
            common: common.clone(),
            own: Some(process),
            place: Some(place),
        })
    }

    fn running(common: &Common, text: &str) -> Outcome<Self> {
        let (host, address) = resolve(text)?;
        if common.key.as_deref().is_some_and(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::new("--key must be visible ASCII characters"));
        }
        let found = match common.pid {
            Some(pid) => Ok(pid),
            None if address.ip().is_loopback() => machine::listener(address.port()),
            None => Err(format!("{address} is not this machine")),
        };
        let pid = found.inspect_err(|why| say(format!("the server's memory is not known: {why}"))).ok();
        Ok(Self { address, host, key: common.key.clone(), pid, common: common.clone(), own: None, place: None })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request, complete: `body` is JSON.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        // Writing to a String cannot fail.
        if let Some(key) = &self.key {
            let _ = write!(request, "X-API-KEY: {key}\r\n");
        }
        match body.map(Value::to_string) {
            Some(body) => {
                let _ = write!(request, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
            None => request.push_str("\r\n"),
        }
        request.into_bytes()
    }

    /// A request, complete: a form with one file.
    pub fn form(&self, path: &str, name: &str, kind: &str, content: &[u8]) -> Vec<u8> {
        let edge = "bench-5f1e0c7a";
        let before =
            format!("--{edge}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n");
        let after = format!("\r\n--{edge}--\r\n");
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        // Writing to a String cannot fail.
        if let Some(key) = &self.key {
            let _ = write!(head, "X-API-KEY: {key}\r\n");
        }
        let length = before.len() + content.len() + after.len();
        let _ = write!(head, "Content-Type: multipart/form-data; boundary={edge}\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), before.as_bytes(), content, after.as_bytes()].concat()
    }

    /// A load on this server for the time that the options say.
    pub fn load(&self, lanes: Vec<Lane>, expected: Expected) -> Load {
        load(&self.common, self.address, self.pid, lanes, expected)
    }

    /// Its process, where it is on this machine.
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Its memory, where that can be told.
    pub fn resident(&self) -> Option<Resident> {
        machine::resident(self.pid?).inspect_err(|why| say(format!("the server's memory is not known: {why}"))).ok()
    }

    /// What every line says of how it was measured, and on what.
    pub fn parameters(&self) -> Map<String, Value> {
        let mut parameters = parameters(&self.common);
        if let Some(place) = &self.place {
            parameters.insert("filesystem".to_owned(), json!(place.filesystem()));
        } else {
            parameters.insert("base_url".to_owned(), json!(self.common.base_url));
            parameters.remove("workers");
        }
        parameters
    }

    /// Stops a started server; its database stays as it is.
    pub fn stop(self) -> Outcome<Place> {
        match (self.own, self.place) {
            (Some(process), Some(place)) => process.stop().map(|()| place),
            _ => Err(Failure::new("the server was not started by this program")),
        }
    }
}

/// A load for the time that the options say.
pub fn load(common: &Common, address: SocketAddr, pid: Option<u32>, lanes: Vec<Lane>, expected: Expected) -> Load {
    let extent = Extent::For { warm_up: Duration::from_secs_f64(common.warm_up), measured: Duration::from_secs_f64(common.seconds) };
    Load { address, pid, lanes, expected, extent, threads: usize::from(common.threads), pace: None }
}

/// The scenario starts the server itself, several times over; one that runs already is of no use to it.
pub fn needs_own_server(common: &Common) -> Outcome<PathBuf> {
    if common.base_url.is_some() {
        return Err(Failure::new("this scenario starts the server itself: leave --base-url away, and name the program with --server"));
    }
    server::program(common.server.as_deref())
}

/// The host and the address of a base URL.
fn resolve(text: &str) -> Outcome<(String, SocketAddr)> {
    let url = Url::parse(text).during(format!("reading --base-url {text:?}"))?;
    let plain = url.scheme() == "http" && url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let Some(host) = url.host_str().filter(|_| plain) else {
        return Err(Failure::new(format!("--base-url {text:?} must be http://HOST:PORT, without TLS and without a path")));
    };
    let port = url.port_or_known_default().unwrap_or(80);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, port)),
        Err(_) => (bare, port).to_socket_addrs().during(format!("finding {host}"))?.next(),
    };
    let address = address.ok_or_else(|| Failure::new(format!("{host} has no address")))?;
    Ok((format!("{host}:{port}"), address))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn running(options: &str) -> Outcome<Target> {
        Target::prepare(&Cli::try_parse_from(format!("bench ping {options}").split(' ')).unwrap().common)
    }

    #[test]
    fn a_base_url_is_a_host_and_a_port() {
        for (url, host, address) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://127.0.0.1:3000/", "127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://192.0.2.7", "192.0.2.7:80", "192.0.2.7:80"),
            ("http://[::1]:3000", "[::1]:3000", "[::1]:3000"),
        ] {
            assert_eq!(resolve(url).unwrap(), (host.to_owned(), address.parse().unwrap()), "{url}");
        }
        for url in ["https://127.0.0.1", "127.0.0.1:3000", "http://127.0.0.1/api", "http://a@127.0.0.1", "nonsense"] {
            assert!(resolve(url).is_err(), "{url}");
        }
    }

    #[test]
    fn requests_are_complete() {
        let target = running("--base-url http://127.0.0.1:9 --key secret").unwrap();
        let text = |request| String::from_utf8(request).unwrap();
        assert_eq!(
            text(target.request("GET", "/api/agents", None)),
            "GET /api/agents HTTP/1.1\r\nHost: 127.0.0.1:9\r\nX-API-KEY: secret\r\n\r\n"
        );
        let posted = text(target.request("POST", "/x", Some(&json!({"a": "ä"}))));
        assert!(posted.ends_with("Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"a\":\"ä\"}"), "{posted}");
    }

    #[test]
    fn a_key_cannot_smuggle_a_header_in() {
        let options = Cli::try_parse_from(["bench", "ping", "--base-url", "http://127.0.0.1:9", "--key", "a\r\nb: c"]).unwrap();
        assert!(Target::prepare(&options.common).is_err());
    }
}

//! The real server in this process: its own threads, a free port, a temporary data directory, settings that are handed in.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "in a test, what must work and does not is a failure")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use doolittle::config::{Config, SettingId, Sources};
use doolittle::lock::DataLock;
use doolittle::wiring::{self, serve_until};
use persistence::Store;
use tokio::sync::oneshot;

use crate::caller::{Caller, Record};

/// The key of a server that [`TestServer::keyed`] starts.
pub const KEY: &str = "the-right-key-of-this-server";

/// A secret that every server has and none needs.
const CANARY: (&str, &str) = ("MEDIA_S3_SECRET_ACCESS_KEY", "a-canary-that-no-answer-may-tell");

/// A server that runs until this is dropped or told to stop. It has no agents unless the settings say so.
///
/// Whatever its callers receive is searched for its secrets: those among its settings, a canary that every server has, and the key
/// file of the data directory.
pub struct TestServer {
    program_path: Vec<PathBuf>,
    settings: BTreeMap<SettingId, String>,
    running: Option<Running>,
    record: Record,
    directory: tempfile::TempDir,
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl TestServer {
    /// A server without a key.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with [`KEY`].
    pub async fn keyed() -> Self {
        Self::with(&[("ELIZA_SERVER_AUTH_TOKEN", KEY)]).await
    }

    /// A server with these settings, by the names that they have in the environment. It finds no programs.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::finding(Vec::new(), settings).await
    }

    /// The same, which finds programs in these directories.
    pub async fn finding(program_path: Vec<PathBuf>, settings: &[(&str, &str)]) -> Self {
        // What is found by meaning depends on the moment: vectors come a little later than memories.
        let usual = [("DEFAULT_AGENT", "false"), ("HTTP_WORKERS", "1"), ("RATE_LIMIT_MAX", "0"), ("EMBEDDING_PROVIDER", "none"), CANARY];
        let settings = usual.iter().chain(settings).map(|(name, value)| {
            let id = SettingId::by_name(name).unwrap_or_else(|| panic!("there is no setting {name}"));
            (id, (*value).to_owned())
        });
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings: BTreeMap<SettingId, String> = settings.collect();
        let record = Record::default();
        for (id, value) in &settings {
            if id.setting().shown(value) != value {
                record.keep_secret(value);
            }
        }
        let mut server = Self { program_path, settings, running: None, record, directory };
        server.begin().await;
        server
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of characters that may be named by path, created on first use.
    pub fn characters(&self) -> PathBuf {
        let path = self.directory().join("characters");
        std::fs::create_dir_all(&path).expect("a directory for characters");
        path
    }

    /// Where the server listens; another port after a restart.
    pub fn address(&self) -> SocketAddr {
        self.running.as_ref().expect("a running server").address
    }

    /// Somebody without a key.
    pub fn caller(&self) -> Caller {
        Caller::new(self.address(), self.record.clone())
    }

    /// Somebody with [`KEY`].
    pub fn key_holder(&self) -> Caller {
        self.caller().with("x-api-key", KEY)
    }

    /// What all callers received, and the names of the ids that they know.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Stops gracefully.
    pub async fn stop(&mut self) {
        let Some(Running { stop, thread, .. }) = self.running.take() else { return };
        let _ = stop.send(());
        Self::join(thread).await;
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(&mut self) {
        let running = self.running.take().expect("a running server");
        Self::join(running.thread).await;
    }

    async fn join(thread: JoinHandle<Result<(), String>>) {
        let ended = tokio::task::spawn_blocking(|| thread.join()).await.expect("a joined thread");
        ended.expect("a server that does not panic").expect("a server that ends well");
    }

    /// Stops, and starts again on the same data.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.begin().await;
    }

    /// The database of a server that does not run.
    pub async fn store(&self) -> Store {
        assert!(self.running.is_none(), "the database belongs to the server while it runs");
        wiring::open(&self.config()).await.expect("a database")
    }

    /// Starts a server that was stopped.
    pub async fn begin(&mut self) {
        assert!(self.running.is_none(), "one server at a time");
        let config = self.config();
        let lock = DataLock::take(&config.data_dir).expect("the data directory is free");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let serve = move || {
            let told = |_: &str| {
                let _ = ready.send(());
            };
            // Either way it is time to stop: told to, or nobody is left who could tell.
            let until = async {
                let _ = stopped.await;
            };
            let system = doolittle::system().map_err(|failure| failure.story())?;
            let served = system.block_on(serve_until(&config, listener, &lock, told, until));
            drop(lock);
            served.map_err(|failure| failure.story())
        };
        let thread = std::thread::Builder::new().name("server".to_owned()).spawn(serve).expect("a thread");
        let Ok(()) = is_ready.await else { panic!("the server did not start: {:?}", thread.join()) };
        if let Ok(key) = std::fs::read_to_string(self.directory().join("secret.key")) {
            self.record.keep_secret(key.trim());
        }
        self.running = Some(Running { address, stop, thread });
    }

    /// What the server starts with.
    pub fn config(&self) -> Config {
        let mut settings = self.settings.clone();
        settings.insert(SettingId::DataDir, self.directory().to_string_lossy().into_owned());
        // The data directory never holds a `doolittle.toml`, and so nothing but these settings counts.
        let (working_dir, program_path) = (self.directory().to_owned(), self.program_path.clone());
        let sources = Sources { environment: settings, working_dir, program_path, ..Sources::default() };
        Config::load(&sources).expect("settings that make sense")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(Running { stop, thread, .. }) = self.running.take() {
            let _ = stop.send(());
            // The data directory goes next, so the server must be gone; how it ended is for `stop` to judge.
            let _ = thread.join();
        }
    }
}

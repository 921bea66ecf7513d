//! A PostgreSQL database of a run's own, behind a door that can be shut: `DOOLITTLE_TEST_POSTGRES_URL`, else the server at the usual
//! place.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Config, NoTls};

const USUAL: &str = "postgres://postgres@127.0.0.1:5432/test";
/// A PostgreSQL of a run's own is there after this at the latest, also after a crash and on a busy machine.
const START: Duration = Duration::from_mins(1);

/// A database.
pub struct Database {
    server: String,
    name: String,
    /// Where it is, behind the door.
    pub url: String,
    door: Door,
    cluster: Option<Cluster>,
}

#[expect(clippy::disallowed_methods, reason = "which server to test against is a setting of the test run alone")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Says aloud that a test does nothing; fails where it must not be so.
fn skipped(reason: &str) {
    assert!(setting("DOOLITTLE_REQUIRE_POSTGRES").as_deref() != Some("1"), "{reason}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the test runner, which keeps what a passing test prints to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test} ({reason})");
}

async fn connect(server: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(server, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Database {
    /// Creates a database; `None`, said loudly, where there is no server.
    pub async fn create() -> Option<Self> {
        let server = setting("DOOLITTLE_TEST_POSTGRES_URL").unwrap_or_else(|| USUAL.to_owned());
        match connect(&server).await {
            Ok(client) => Some(Self::on(server, &client, None).await),
            Err(error) => {
                skipped(&format!("no PostgreSQL: {error}"));
                None
            }
        }
    }

    /// The same on a PostgreSQL of its own, which can be ended; `None`, said loudly, where its programs are not installed. There a door
    /// that is shut has to stand for its end.
    pub async fn on_its_own() -> Option<Self> {
        let Some(cluster) = Cluster::start().await else {
            skipped("no programs of PostgreSQL in /usr/lib/postgresql, or nobody to run them");
            return None;
        };
        let server = format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port);
        let client = connect(&server).await.unwrap();
        Some(Self::on(server, &client, Some(cluster)).await)
    }

    async fn on(server: String, client: &Client, cluster: Option<Cluster>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("doolittle_recovery_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let config: Config = server.parse().unwrap();
        let host = match config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
            _ => "127.0.0.1".to_owned(),
        };
        let door = Door::open(format!("{host}:{}", config.get_ports().first().copied().unwrap_or(5432))).await;
        let user = config.get_user().unwrap_or("postgres");
        let password = config.get_password().map(|password| format!(":{}", String::from_utf8_lossy(password))).unwrap_or_default();
        let url = format!("postgres://{user}{password}@{}/{name}?sslmode=disable", door.address);
        Self { server, name, url, door, cluster }
    }

    /// Ends PostgreSQL at once, as a crash does, and starts it again; with a server that is not the run's own, ends every connection from
    /// within, in the middle of whatever it does.
    pub async fn end_within(&mut self) {
        if let Some(cluster) = &mut self.cluster {
            return cluster.restart().await;
        }
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        connect(&self.server).await.unwrap().query(end, &[&self.name]).await.unwrap();
    }

    /// Cuts every connection, and lets none through from now on.
    pub fn shut(&self) {
        self.door.shut.store(true, Ordering::SeqCst);
        for connection in self.door.through.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// Lets connections through again.
    pub fn reopen(&self) {
        self.door.shut.store(false, Ordering::SeqCst);
    }

    /// Deletes the database.
    pub async fn drop(self) {
        connect(&self.server).await.unwrap().batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await.unwrap();
    }
}

/// A PostgreSQL of a run's own.
struct Cluster {
    programs: PathBuf,
    port: u16,
    process: Child,
    directory: tempfile::TempDir,
    user: Option<u32>,
}

impl Cluster {
    async fn start() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions.map(|version| version.unwrap().path().join("bin")).find(|bin| bin.join("initdb").exists())?;
        let directory = tempfile::tempdir().unwrap();
        // PostgreSQL refuses to be run by root.
        let root = std::fs::metadata(directory.path()).unwrap().uid() == 0;
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let number = |name: &str| users.lines().find(|line| line.starts_with(&format!("{name}:")))?.split(':').nth(2)?.parse().ok();
        let user: Option<u32> = if root { Some(number("postgres").or_else(|| number("nobody"))?) } else { None };
        std::os::unix::fs::chown(directory.path(), user, None).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let data = directory.path().join("data");
        let mut init = command(&programs, "initdb", user);
        init.args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--no-locale", "-D"]).arg(&data);
        let made = init.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let process = serve(&programs, &data, port, user);
        let mut cluster = Self { programs, port, process, directory, user };
        cluster.ready().await;
        Some(cluster)
    }

    /// Waits until it lets in; fails where it has ended, or takes too long.
    async fn ready(&mut self) {
        let server = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        let end = Instant::now() + START;
        while let Err(error) = connect(&server).await {
            if let Some(ended) = self.process.try_wait().unwrap() {
                panic!("PostgreSQL ended with {ended} before it let anybody in");
            }
            assert!(Instant::now() < end, "PostgreSQL lets nobody in within {} s: {error}", START.as_secs());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it as a crash does, all its processes with it, and starts it again.
    async fn restart(&mut self) {
        signal(&self.process, "-QUIT");
        let _ = self.process.wait();
        self.process = serve(&self.programs, &self.directory.path().join("data"), self.port, self.user);
        self.ready().await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        signal(&self.process, "-QUIT");
        let _ = self.process.wait();
    }
}

fn signal(process: &Child, signal: &str) {
    let _ = Command::new("kill").args([signal, &process.id().to_string()]).status();
}

fn command(programs: &Path, name: &str, user: Option<u32>) -> Command {
    let mut command = Command::new(programs.join(name));
    command.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    if let Some(user) = user {
        command.uid(user);
    }
    command
}

fn serve(programs: &Path, data: &Path, port: u16, user: Option<u32>) -> Child {
    let mut serve = command(programs, "postgres", user);
    serve.arg("-D").arg(data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k", ""]);
    serve.spawn().unwrap()
}

/// A port that leads to another.
struct Door {
    address: SocketAddr,
    shut: Arc<AtomicBool>,
    through: Arc<Mutex<Vec<AbortHandle>>>,
    keeper: JoinHandle<()>,
}

impl Door {
    async fn open(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shut, through) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let (is_shut, passing) = (Arc::clone(&shut), Arc::clone(&through));
        let keeper = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                if is_shut.load(Ordering::SeqCst) {
                    continue;
                }
                let to = to.clone();
                let connection = tokio::spawn(async move {
                    if let Ok(mut to) = TcpStream::connect(to).await {
                        let _ = copy_bidirectional(&mut from, &mut to).await;
                    }
                });
                let mut passing: std::sync::MutexGuard<'_, Vec<AbortHandle>> = passing.lock().unwrap();
                passing.retain(|connection| !connection.is_finished());
                passing.push(connection.abort_handle());
            }
        });
        Self { address, shut, through, keeper }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

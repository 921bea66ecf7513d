//! A PostgreSQL database of a run's own, behind a door that can be shut: `DOOLITTLE_TEST_POSTGRES_URL`, else the server at the usual
//! place.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::{Client, Config, NoTls};

const USUAL: &str = "postgres://postgres@127.0.0.1:5432/test";

/// A database.
pub struct Database {
    client: Client,
    name: String,
    /// Where it is, behind the door.
    pub url: String,
    door: Door,
}

#[expect(clippy::disallowed_methods, reason = "which server to test against is a setting of the test run alone")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Database {
    /// Creates a database; `None`, said loudly, where there is no server.
    pub async fn create() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = setting("DOOLITTLE_TEST_POSTGRES_URL").unwrap_or_else(|| USUAL.to_owned());
        let client = match tokio_postgres::connect(&server, NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                client
            }
            Err(error) => {
                assert!(setting("DOOLITTLE_REQUIRE_POSTGRES").as_deref() != Some("1"), "no PostgreSQL: {error}");
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                // Past the test runner, which keeps what a passing test prints to itself.
                let _ = writeln!(std::io::stderr(), "SKIPPED: {test} (no PostgreSQL)");
                return None;
            }
        };
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
        Some(Self { client, name, url, door })
    }

    /// Ends every connection to the database from within, in the middle of whatever it does.
    pub async fn terminate(&self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        self.client.query(end, &[&self.name]).await.unwrap();
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
        self.client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await.unwrap();
    }
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

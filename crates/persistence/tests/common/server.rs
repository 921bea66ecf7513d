//! A real PostgreSQL server: `DOOLITTLE_TEST_POSTGRES_URL`, else the one at the usual place.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use doolittle_persistence::Target;
use tokio_postgres::{Client, NoTls};

const USUAL: &str = "postgres://postgres@127.0.0.1:5432/test";

/// A database of its own for one test.
pub struct Database {
    client: Client,
    name: String,
    url: String,
}

#[expect(clippy::disallowed_methods, reason = "which server to test against is a setting of the test run alone")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Creates a database; `None`, said loudly, where there is no server.
pub async fn database() -> Option<Database> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = setting("DOOLITTLE_TEST_POSTGRES_URL").unwrap_or_else(|| USUAL.to_owned());
    let client = match tokio_postgres::connect(&server, NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            client
        }
        Err(error) => {
            let place = Target::Postgres(server);
            assert!(setting("DOOLITTLE_REQUIRE_POSTGRES").as_deref() != Some("1"), "no {place}: {error}");
            skipped(&place);
            return None;
        }
    };
    let name = format!("doolittle_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let address = server.split_once('?').map_or(server.as_str(), |(address, _)| address);
    let url = format!("{}/{name}", address.rsplit_once('/').unwrap().0);
    Some(Database { client, name, url })
}

/// Says aloud that a test did nothing, and how many have not so far. Written past the test runner, which keeps what a
/// passing test prints to itself.
fn skipped(place: &Target) {
    static SKIPPED: AtomicU32 = AtomicU32::new(0);
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED {count}: {test} (no {place})");
}

impl Database {
    /// Where it is.
    pub fn target(&self) -> Target {
        Target::Postgres(self.url.clone())
    }

    /// Deletes it.
    pub async fn drop(self) {
        self.client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await.unwrap();
    }
}

//! A database that a real elizaOS server filled (`tests/elizaos`), in a PostgreSQL of this machine: `DOOLITTLE_TEST_POSTGRES_URL`,
//! else the one at the usual place.

use std::io::Write as _;

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

const USUAL: &str = "postgres://postgres@127.0.0.1:5432/test";
const ROWS: &str = include_str!("../elizaos/elizaos-1.7.2.sql");

/// The salt under which its secrets are encrypted.
pub const SALT: &str = "the salt of the recording";

/// A database of its own for one test.
pub struct Database {
    runtime: Runtime,
    client: Client,
    name: String,
    /// Where it is.
    pub url: String,
}

#[expect(clippy::disallowed_methods, reason = "which server to test against is a setting of the test run alone")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Database {
    /// An empty database; `None`, said loudly, where there is no server.
    pub fn empty(purpose: &str) -> Option<Self> {
        let server = setting("DOOLITTLE_TEST_POSTGRES_URL").unwrap_or_else(|| USUAL.to_owned());
        let runtime = Runtime::new().unwrap();
        let client = match runtime.block_on(connect(&server)) {
            Ok(client) => client,
            Err(error) => {
                assert!(setting("DOOLITTLE_REQUIRE_POSTGRES").as_deref() != Some("1"), "no PostgreSQL: {error}");
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                // Without a standard error there is nobody to tell.
                let _ = writeln!(std::io::stderr(), "SKIPPED: {test} (no PostgreSQL)");
                return None;
            }
        };
        let name = format!("doolittle_moving_{}_{purpose}", std::process::id());
        runtime.block_on(client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).unwrap();
        runtime.block_on(client.batch_execute(&format!("CREATE DATABASE {name}"))).unwrap();
        let address = server.split_once('?').map_or(server.as_str(), |(address, _)| address);
        let url = format!("{}/{name}", address.rsplit_once('/').unwrap().0);
        Some(Self { runtime, client, name, url })
    }

    /// One with everything that the real server left.
    pub fn of_elizaos(purpose: &str) -> Option<Self> {
        let database = Self::empty(purpose)?;
        database.run(ROWS);
        Some(database)
    }

    /// Runs statements in it.
    pub fn run(&self, statements: &str) {
        self.runtime.block_on(async {
            let client = connect(&self.url).await.unwrap();
            client.batch_execute(statements).await.unwrap();
        });
    }
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Drop for Database {
    fn drop(&mut self) {
        // A database that stays behind is in nobody's way, and the test has said what it had to say.
        let _ = self.runtime.block_on(self.client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)));
    }
}

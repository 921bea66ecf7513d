//! Connecting to PostgreSQL, with TLS as the URL asks for it.

use std::sync::Arc;
use std::time::Duration;

use core_types::error::chain;
use diesel::pg::Pg;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::SimpleAsyncConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::pooled_connection::deadpool::{Hook, HookError, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use futures_util::FutureExt as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::time::timeout;
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::refusals::Refusals;
use super::{Conn, lock};
use crate::error::OpenError;
use crate::migrate;
use crate::options::Options;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes connections to one database.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    place: String,
}

impl Connector {
    /// Reads the URL and connects once, to find out whether the server is there and how to talk to it.
    pub(crate) async fn probe(url: &str) -> Result<Self, OpenError> {
        Self::connected(url).await.map(|(connector, _)| connector)
    }

    /// The same with that connection, for whoever needs no other: what serves an embedded database may take only one.
    pub(crate) async fn connected(url: &str) -> Result<(Self, Conn), OpenError> {
        let mut config = parse(url)?;
        config.connect_timeout(CONNECT_TIMEOUT);
        let mut connector = Self { place: place(&config), tls: None, config };
        match connector.config.get_ssl_mode() {
            SslMode::Disable => {}
            SslMode::Prefer => {
                let mut strict = connector.clone();
                strict.config.ssl_mode(SslMode::Require);
                strict.tls = Some(tls()?);
                match strict.connect().await {
                    Ok(conn) => return Ok((strict, conn)),
                    Err(error) => {
                        log::debug!("TLS to PostgreSQL is not possible, and the URL does not require it: {error}");
                        connector.config.ssl_mode(SslMode::Disable);
                    }
                }
            }
            _ => connector.tls = Some(tls()?),
        }
        let conn = connector.connect_to_open().await?;
        Ok((connector, conn))
    }

    /// How connections are protected, for a person.
    pub(crate) const fn transport(&self) -> &'static str {
        if self.tls.is_some() { "TLS" } else { "not encrypted" }
    }

    /// Which database this is, without its password.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// A new connection, while the store is being opened.
    pub(crate) async fn connect_to_open(&self) -> Result<Conn, OpenError> {
        self.connect().await.map_err(|error| self.unreachable(error))
    }

    fn unreachable(&self, error: ConnectionError) -> OpenError {
        OpenError::Unreachable { place: self.place.clone(), source: Box::new(error) }
    }

    async fn connect(&self) -> ConnectionResult<Conn> {
        in_time(self.handshake()).await
    }

    async fn handshake(&self) -> ConnectionResult<Conn> {
        let refused = |error: tokio_postgres::Error| ConnectionError::BadConnection(chain(&error));
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await.map_err(refused)?;
            Conn::try_from_client_and_connection(client, connection).await
        } else {
            let (client, connection) = self.config.connect(tokio_postgres::NoTls).await.map_err(refused)?;
            Conn::try_from_client_and_connection(client, connection).await
        }
    }

    /// A new connection that is to hold something, and what to do at once when it ends, whether it is asked for anything or not.
    pub(super) async fn connect_to_hold(&self, ended: impl FnOnce() + Send + 'static) -> Result<Conn, OpenError> {
        in_time(self.watched(ended)).await.map_err(|error| self.unreachable(error))
    }

    async fn watched(&self, ended: impl FnOnce() + Send + 'static) -> ConnectionResult<Conn> {
        let refused = |error: tokio_postgres::Error| ConnectionError::BadConnection(chain(&error));
        let client = if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await.map_err(refused)?;
            tokio::spawn(drive(connection, ended));
            client
        } else {
            let (client, connection) = self.config.connect(tokio_postgres::NoTls).await.map_err(refused)?;
            tokio::spawn(drive(connection, ended));
            client
        };
        Conn::try_from(client).await
    }

    /// A new connection that works: no statement, wait for a lock or idle transaction lasts for ever.
    async fn connect_to_work(&self, limit: Duration) -> ConnectionResult<Conn> {
        let mut conn = self.connect().await?;
        let limits = format!(
            "SET statement_timeout = {0}; SET lock_timeout = {0}; SET idle_in_transaction_session_timeout = {0}; SET synchronous_commit = on",
            limit.as_millis()
        );
        conn.batch_execute(&limits).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }

    /// The pool of connections that work, but for those that these refusals concern.
    pub(super) fn pool(self, options: &Options, refusals: Refusals) -> Result<Pool<Conn>, OpenError> {
        let mut config = ManagerConfig::default();
        // A connection that broke while idle is noticed without asking the server.
        config.recycling_method = RecyclingMethod::Fast;
        let limit = options.statement_timeout;
        config.custom_setup = Box::new(move |_| {
            let connector = self.clone();
            async move { connector.connect_to_work(limit).await }.boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config(String::new(), config);
        let able =
            Hook::<Conn>::sync_fn(
                move |_, metrics| {
                    if refusals.concern(metrics.created) { Err(HookError::message("it may not write")) } else { Ok(()) }
                },
            );
        let size = usize::try_from(options.connections.max(1)).unwrap_or(usize::MAX);
        let pool = Pool::builder(manager).max_size(size).pre_recycle(able);
        pool.build().map_err(|error| OpenError::Failed { source: Box::new(error) })
    }
}

/// Whatever listens there must answer in time, PostgreSQL or not.
async fn in_time(connecting: impl Future<Output = ConnectionResult<Conn>> + Send) -> ConnectionResult<Conn> {
    let silent = || ConnectionError::BadConnection(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()));
    timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(silent()))
}

/// Lets a connection work until it ends.
async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send, ended: impl FnOnce() + Send) {
    if let Err(error) = connection.await {
        log::debug!("a connection to PostgreSQL has ended: {}", chain(&error));
    }
    ended();
}

/// The database of a URL, for a person; never with a password.
pub(crate) fn describe(url: &str) -> String {
    parse(url).map_or_else(|_| "PostgreSQL".to_owned(), |config| place(&config))
}

fn place(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let port = config.get_ports().get(index).or(config.get_ports().first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or("its default");
    format!("PostgreSQL at {}, database {database}", hosts.join(","))
}

/// Reads a URL as libpq does, `verify-ca` and `verify-full` included: whatever is encrypted here is verified.
fn parse(url: &str) -> Result<Config, OpenError> {
    let bad = |reason: &str| OpenError::BadUrl { reason: reason.to_owned() };
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(bad("it must begin with postgres:// or postgresql://"));
    }
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let parameters: Vec<&str> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| match parameter {
            "sslmode=verify-full" | "sslmode=verify-ca" => "sslmode=require",
            "sslmode=allow" => "sslmode=prefer",
            other => other,
        })
        .collect();
    let url = if parameters.is_empty() { base.to_owned() } else { format!("{base}?{}", parameters.join("&")) };
    // The parser's message names the part that is wrong, never a value.
    let config: Config = url.parse().map_err(|error: tokio_postgres::Error| bad(&chain(&error)))?;
    if config.get_hosts().is_empty() {
        return Err(bad("it names no host"));
    }
    Ok(config)
}

fn tls() -> Result<MakeRustlsConnect, OpenError> {
    let failed = |error: rustls::Error| OpenError::Failed { source: Box::new(error) };
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_platform_verifier()
        .map_err(failed)?
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

type Blocking = AsyncConnectionWrapper<Conn>;

/// Runs the migrations that are pending.
pub(super) async fn migrate(conn: Conn) -> Result<(), OpenError> {
    migrate::off_thread(move || migrate::bring_up::<Pg, _>(&mut Blocking::from(conn), &migrate::POSTGRES)).await
}

/// Which migrations the database has.
pub(crate) async fn status(url: &str) -> Result<Vec<migrate::Status>, OpenError> {
    let conn = Connector::probe(url).await?.connect_to_open().await?;
    migrate::off_thread(move || migrate::status_of::<Pg, _>(&mut Blocking::from(conn), &migrate::POSTGRES)).await
}

/// Runs the migrations that are pending, while no server uses the database.
pub(crate) async fn run(url: &str) -> Result<(), OpenError> {
    let connector = Connector::probe(url).await?;
    let lock = lock::take(&connector).await?;
    let ran = migrate(connector.connect_to_open().await?).await;
    lock.release().await;
    ran
}

/// Undoes the newest migration, while no server uses the database.
pub(crate) async fn revert(url: &str) -> Result<String, OpenError> {
    let connector = Connector::probe(url).await?;
    let lock = lock::take(&connector).await?;
    let conn = connector.connect_to_open().await?;
    let reverted = migrate::off_thread(move || migrate::revert_newest::<Pg, _>(&mut Blocking::from(conn), &migrate::POSTGRES)).await;
    lock.release().await;
    reverted
}

/// The names of all migrations, oldest first.
pub(crate) fn names() -> Result<Vec<String>, OpenError> {
    migrate::names::<Pg>(&migrate::POSTGRES)
}

//! Migrations have the same names on both databases, and each can be undone.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use core_types::Page;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use doolittle_persistence::migrate::{self, State, Status};
use doolittle_persistence::{Kind, OpenError, Options, Target, open};

mod common;
#[path = "common/server.rs"]
mod server;

#[test]
fn both_databases_have_the_same_migrations() {
    let names = migrate::known(Kind::Sqlite).unwrap();
    assert_eq!(names, migrate::known(Kind::Postgres).unwrap());
    assert!(names.iter().any(|name| name == "0001_core"), "{names:?}");
}

/// Runs all migrations, undoes all, and runs them again.
async fn there_and_back(target: &Target) {
    let is = |state| move |status: &Status| status.state == state;
    assert!(migrate::status(target).await.unwrap().iter().all(is(State::Pending)));
    migrate::run(target).await.unwrap();
    migrate::run(target).await.unwrap();
    let all = migrate::status(target).await.unwrap();
    assert!(!all.is_empty() && all.iter().all(is(State::Applied)), "{all:?}");
    for status in all.iter().rev() {
        assert_eq!(migrate::revert(target).await.unwrap(), status.name);
    }
    assert!(migrate::status(target).await.unwrap().iter().all(is(State::Pending)));
    assert!(matches!(migrate::revert(target).await, Err(OpenError::Migration { .. })));
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

fn sqlite_objects(path: &std::path::Path) -> Vec<String> {
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let query = "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'";
    diesel::sql_query(query).load(&mut conn).unwrap().into_iter().map(|Named { name }| name).collect()
}

#[tokio::test]
async fn on_sqlite_each_down_undoes_its_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let target = Target::Sqlite(path.clone());
    there_and_back(&target).await;
    assert_eq!(sqlite_objects(&path), [""; 0]);
    open(&target, Options::default(), common::ids_from(1)).await.unwrap().close().await;
    assert!(!sqlite_objects(&path).is_empty());
}

/// The first column of what a statement answers on a PostgreSQL database.
async fn ask(database: &server::Database, statement: &str) -> Vec<String> {
    let Target::Postgres(url) = database.target() else { panic!("not PostgreSQL") };
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query(statement, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn on_postgres_each_down_undoes_its_up() {
    let Some(database) = server::database().await else { return };
    there_and_back(&database.target()).await;
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(ask(&database, tables).await, ["__diesel_schema_migrations"]);
    let store = open(&database.target(), Options::default(), common::ids_from(1)).await.unwrap();
    assert_eq!(store.servers().list(None, Page::first(10)).await.unwrap().total, 1);
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn a_sqlite_database_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let target = Target::Sqlite(path.clone());
    migrate::run(&target).await.unwrap();
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    diesel::sql_query("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')").execute(&mut conn).unwrap();
    let Err(OpenError::Newer { version }) = open(&target, Options::default(), common::ids_from(1)).await else { panic!("opened") };
    assert_eq!(version, "9999");
    let unknown = Status { name: "9999".to_owned(), state: State::Unknown };
    assert_eq!(migrate::status(&target).await.unwrap().last(), Some(&unknown));
    assert!(matches!(migrate::revert(&target).await, Err(OpenError::Newer { .. })));
}

#[tokio::test]
async fn a_postgres_database_of_a_newer_version_is_refused_and_not_held() {
    let Some(database) = server::database().await else { return };
    migrate::run(&database.target()).await.unwrap();
    ask(&database, "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')").await;
    for _ in 0..2 {
        let opened = open(&database.target(), Options::default(), common::ids_from(1)).await;
        assert!(matches!(opened, Err(OpenError::Newer { .. })));
    }
    database.drop().await;
}

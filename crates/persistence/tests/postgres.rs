//! PostgreSQL keeps the promises of the repositories, and of its own connections.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use async_trait::async_trait;
use contract::stores::{Opened, Stores};
use core_types::StoreError;
use doolittle_persistence::{Kind, OpenError, Options, Store, Target, open};

#[path = "common/bundle.rs"]
mod bundle;
mod common;
#[path = "common/server.rs"]
mod server;

struct Temporary {
    store: Store,
    database: server::Database,
}

#[async_trait]
impl Opened for Temporary {
    fn stores(&self) -> Stores {
        bundle::stores_of(&self.store)
    }

    async fn end(self) {
        self.store.close().await;
        self.database.drop().await;
    }
}

async fn opened() -> Option<Temporary> {
    let database = server::database().await?;
    let store = open(&database.target(), options(), common::ids_from(1)).await.unwrap();
    assert_eq!(store.kind(), Kind::Postgres);
    Some(Temporary { store, database })
}

fn options() -> Options {
    Options { connections: 8, ..Options::default() }
}

contract::store_contract!(opened);

#[tokio::test]
async fn a_second_server_is_refused_until_the_first_has_closed() {
    let Some(first) = opened().await else { return };
    let second = open(&first.database.target(), options(), common::ids_from(1)).await;
    let Err(OpenError::InUse { place }) = second else { panic!("not refused") };
    assert!(place.starts_with("PostgreSQL at "), "{place}");
    first.store.close().await;
    assert!(matches!(first.store.agents().list().await, Err(StoreError::Unavailable(_))));
    let third = open(&first.database.target(), options(), common::ids_from(1)).await.unwrap();
    third.close().await;
    first.end().await;
}

#[tokio::test]
async fn what_cannot_be_reached_or_read_is_told_without_the_password() {
    for (url, unreachable) in [
        ("postgres://user:hunter2@127.0.0.1:1/db?sslmode=disable", true),
        ("postgres://user:hunter2@127.0.0.1:1/db", true),
        ("postgres://user:hunter2@127.0.0.1:port/db", false),
        ("postgres://user:hunter2@127.0.0.1/db?sslmode=hunter2", false),
        ("mysql://user:hunter2@127.0.0.1/db", false),
        ("postgres:///db", false),
    ] {
        let target = Target::Postgres(url.to_owned());
        let Err(error) = open(&target, options(), common::ids_from(1)).await else { panic!("{url} opened") };
        assert_eq!(matches!(error, OpenError::Unreachable { .. }), unreachable, "{error:?}");
        assert_eq!(matches!(error, OpenError::BadUrl { .. }), !unreachable, "{error:?}");
        assert!(!format!("{error} {error:?} {target} {target:?}").contains("hunter2"), "{error:?} {target:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_verified_is_refused_where_encryption_is_required() {
    let Some(database) = server::database().await else { return };
    let Target::Postgres(url) = database.target() else { panic!("not PostgreSQL") };
    for mode in ["require", "verify-ca", "verify-full"] {
        let target = Target::Postgres(format!("{url}?sslmode={mode}"));
        let opened = open(&target, options(), common::ids_from(1)).await.map(|_| "opened");
        assert!(matches!(opened, Err(OpenError::Unreachable { .. })), "{mode}: {opened:?}");
    }
    for mode in ["disable", "prefer"] {
        let target = Target::Postgres(format!("{url}?sslmode={mode}"));
        let store = open(&target, options(), common::ids_from(1)).await.unwrap();
        assert!(store.describe().ends_with("(not encrypted)"), "{}", store.describe());
        store.close().await;
    }
    database.drop().await;
}

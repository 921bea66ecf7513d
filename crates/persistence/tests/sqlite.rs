//! SQLite keeps the promises of the repositories.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use async_trait::async_trait;
use contract::stores::{Opened, Stores};
use doolittle_persistence::{Kind, Options, Store, Target, open};
use tempfile::TempDir;

#[path = "common/bundle.rs"]
mod bundle;
mod common;

struct Temporary {
    store: Store,
    _directory: TempDir,
}

#[async_trait]
impl Opened for Temporary {
    fn stores(&self) -> Stores {
        bundle::stores_of(&self.store)
    }

    async fn end(self) {
        self.store.close().await;
    }
}

async fn opened() -> Option<Temporary> {
    let directory = tempfile::tempdir().unwrap();
    let target = Target::Sqlite(directory.path().join("test.db"));
    let store = open(&target, Options::default(), common::ids_from(1)).await.unwrap();
    assert_eq!(store.kind(), Kind::Sqlite);
    Some(Temporary { store, _directory: directory })
}

contract::store_contract!(opened);

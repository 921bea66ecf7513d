//! Starts that end in the middle: the first one of all, with every migration, and the first after an update.

use std::path::Path;
use std::time::Duration;

use persistence::Target;
use persistence::migrate::{self, State};
use serde_json::json;
use testkit::caller::Caller;
use testkit::scripted::{Reply, ScriptedModel};

use crate::Stretch;
use crate::dice::Dice;
use crate::disk::{Disk, Keep};
use crate::server::Launch;

/// The calls that change files, more or less: of a first start, and of one that brings an older database up.
const FIRST: u64 = 400;
const UPDATE: u64 = 60;
/// A start takes no longer than this, also on a machine that is busy with other things.
const START: Duration = Duration::from_mins(2);

/// Copies what is in a directory.
pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&place).unwrap();
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

fn launch<'l>(disk: &'l Disk, model: &'l ScriptedModel) -> Launch<'l> {
    Launch { directory: disk.root(), model: model.base_url(), postgres: None, disk: Some(disk), settings: &[] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_ends_anywhere_is_made_good_by_the_next() {
    let Stretch { rounds, seed } = crate::rounds(4);
    println!("{rounds} rounds, DOOLITTLE_RECOVERY_SEED={seed}");
    let mut dice = Dice::new(seed);
    let model = ScriptedModel::answering(|_| Reply::text("pong")).await.unwrap();

    // A house as the program leaves it, to be taken back to an older version.
    let whole = tempfile::tempdir().unwrap();
    let old = Disk::new(whole.path());
    launch(&old, &model).start().await.stop().await;

    for round in 1..=rounds {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path());
        let target = Target::Sqlite(disk.root().join("doolittle.db"));
        let reverted = dice.below(4);
        if reverted > 0 {
            copy(old.root(), disk.root());
            for _ in 0..reverted {
                migrate::revert(&target).await.unwrap();
            }
            disk.settle();
        }
        let mut ends = Vec::new();
        for _ in 0..=dice.below(3) {
            let call = 1 + dice.below(if reverted == 0 { FIRST } else { UPDATE });
            let keep = [Keep::Nothing, Keep::Some][usize::try_from(dice.below(2)).unwrap()];
            disk.end_after(call, u32::MAX);
            if let Ok(mut server) = launch(&disk, &model).begin().ready().await {
                let left = server.ends_within(Duration::from_millis(200)).await;
                ends.push((call, keep, if left { "after" } else { "not" }));
                server.kill();
            } else {
                ends.push((call, keep, "within"));
            }
            disk.end_after(0, 0);
            disk.cut(keep, &mut Dice::new(dice.next()));
        }
        let server = tokio::time::timeout(START, launch(&disk, &model).start()).await.expect("the server starts");
        let caller = Caller::of(server.address());
        let agents = caller.get("/api/agents").await.data(200)["agents"].clone();
        let [eliza] = agents.as_array().unwrap().as_slice() else { panic!("there is one agent: {agents}") };
        assert_eq!((&eliza["name"], &eliza["status"]), (&json!("Eliza"), &json!("active")));
        let body = json!({
            "author_id": "550e8400-e29b-41d4-a716-446655440001", "content": "ping", "transport": "http",
            "message_server_id": "00000000-0000-0000-0000-000000000000", "metadata": {"isDm": true, "targetUserId": eliza["id"]},
        });
        let path = "/api/messaging/channels/25933be3-f43d-4ecb-b644-fcd71baa15eb/messages";
        assert_eq!(caller.post(path, &body).await.json()["agentResponse"]["text"], "pong");
        server.stop().await;
        let status = migrate::status(&target).await.unwrap();
        assert!(status.iter().all(|migration| migration.state == State::Applied), "{status:?}");
        println!("round {round}: {reverted} migrations back, ends: {ends:?}");
    }
}

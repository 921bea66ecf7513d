//! A long channel is cleared or removed in steps, between which the server may end. What it leaves then is sound, and the same that is
//! asked again does the rest.

use std::time::Duration;

use serde_json::json;
use testkit::caller::{Caller, Request};
use testkit::scripted::{Reply, ScriptedModel};

use crate::Stretch;
use crate::dice::Dice;
use crate::disk::{Disk, control};
use crate::server::{Launch, verb, worked};
use crate::starts::copy;

/// So often somebody asks: with the answers these are more messages than go at once.
const QUESTIONS: u32 = 160;

/// More calls than anything makes.
const MANY: u64 = 1 << 40;

/// Within this there is an answer, if there is one.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is deleted: all messages of the channel of the two, or the channel.
const WAYS: [&str; 2] = [
    "/api/messaging/channels/25933be3-f43d-4ecb-b644-fcd71baa15eb/messages",
    "/api/messaging/channels/25933be3-f43d-4ecb-b644-fcd71baa15eb",
];

fn launch<'l>(disk: &'l Disk, model: &'l ScriptedModel) -> Launch<'l> {
    let settings = &[("REFLECT_EVERY", "0")];
    Launch { directory: disk.root(), model: model.base_url(), postgres: None, disk: Some(disk), settings }
}

/// A server's house, in which somebody has asked an agent often.
async fn house(disk: &Disk, model: &ScriptedModel) {
    let server = launch(disk, model).start().await;
    let caller = Caller::of(server.address());
    let eliza = caller.get("/api/agents").await.data(200)["agents"][0]["id"].clone();
    let question = json!({
        "author_id": "550e8400-e29b-41d4-a716-446655440001", "content": "ping", "transport": "http",
        "message_server_id": "00000000-0000-0000-0000-000000000000", "metadata": {"isDm": true, "targetUserId": eliza},
    });
    for _ in 0..QUESTIONS {
        assert_eq!(caller.post(WAYS[0], &question).await.json()["agentResponse"]["text"], "pong");
    }
    server.stop().await;
}

/// Asks a server to delete something, and ends it at the so-manieth call that writes to the log from then on. What it leaves is sound.
/// Returns whether there was an answer, and how many calls were left.
async fn asked_once(disk: &Disk, model: &ScriptedModel, path: &str, calls: u64) -> (bool, u64) {
    let server = launch(disk, model).start().await;
    disk.end_after(calls, control::LOG);
    let answer = Caller::of(server.address()).attempt(Request::new("DELETE", path), PATIENCE).await;
    let left = disk.calls_left();
    disk.end_after(0, 0);
    server.kill();
    disk.settle();
    worked(verb("verify", disk.root()).spawn().unwrap()).await;
    (answer.is_ok_and(|answer| answer.status == 204), left)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clearing_or_removal_that_ends_anywhere_leaves_what_is_sound_and_is_made_good_by_the_next() {
    let Stretch { rounds, seed } = crate::rounds(8);
    println!("{rounds} rounds, DOOLITTLE_RECOVERY_SEED={seed}");
    let mut dice = Dice::new(seed);
    let model = ScriptedModel::answering(|_| Reply::text("pong")).await.unwrap();
    let whole = tempfile::tempdir().unwrap();
    let house_of_all = Disk::new(whole.path());
    house(&house_of_all, &model).await;
    let another = || {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path());
        copy(house_of_all.root(), disk.root());
        disk.settle();
        (directory, disk)
    };

    let mut whole_calls = Vec::new();
    for path in WAYS {
        let (_directory, disk) = another();
        let (answered, left) = asked_once(&disk, &model, path, MANY).await;
        assert!(answered, "{path} is not deleted");
        whole_calls.push(MANY - left);
    }
    println!("they take {whole_calls:?} calls");
    for round in 1..=rounds {
        let way = usize::try_from(round % 2).unwrap();
        let (path, call) = (WAYS[way], 1 + dice.below(whole_calls[way]));
        let (_directory, disk) = another();
        let (answered, _) = asked_once(&disk, &model, path, call).await;
        println!("round {round}: {path} until call {call}, {}", if answered { "answered" } else { "cut short" });

        let server = launch(&disk, &model).start().await;
        let caller = Caller::of(server.address());
        assert_eq!(caller.delete(path).await.status, 204);
        assert_eq!(caller.get(WAYS[0]).await.data(200)["messages"], json!([]));
        assert_eq!(caller.get(WAYS[1]).await.status, [200, 404][way]);
        server.stop().await;
        worked(verb("verify", disk.root()).spawn().unwrap()).await;
    }
}

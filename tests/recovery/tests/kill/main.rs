//! Kills the server at random instants during traffic, starts it again, and compares what it keeps with what it
//! acknowledged.
//!
//! The short form runs in CI; `DOOLITTLE_RECOVERY_ROUNDS=500` asks for the long one, `DOOLITTLE_RECOVERY_SEED` repeats the choices of an
//! earlier run. The seed and every instant are printed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "in a test, what must work and does not is a failure, and the seed is to be read"
)]

mod clearing;
mod compare;
mod dice;
mod disk;
mod faults;
mod models;
mod postgres;
mod server;
mod sessions;
mod starts;
mod storm;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use dice::Dice;
use persistence::Target;
use postgres::Database;
use server::Server;
use storm::{Focus, Storm};
use testkit::scripted::{Reply, ScriptedModel};
use tokio::time::{sleep, timeout};
use traffic::{Traffic, World};

/// So many rounds at most have one data directory. After each round all that was ever acknowledged there is looked for, so that a round
/// takes longer than the one before.
const STRETCH: u64 = 100;

/// The instant of a kill: so long after something.
#[derive(Debug, Clone, Copy)]
enum Instant {
    /// Milliseconds after the server was ready.
    Ready(u64),
    /// Microseconds after a message was acknowledged: around its claim.
    Ack(u64),
    /// Microseconds after the model was asked: within its answer.
    ModelCall(u64),
    /// Microseconds after the model's last word: around the finish.
    Answer(u64),
}

#[expect(clippy::disallowed_methods, reason = "the length and the seed of a test run are not settings of the server")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_every_delivery_ends_once_whenever_the_server_is_killed() {
    let Stretch { rounds: kills, seed } = rounds(10);
    println!("{kills} kills, DOOLITTLE_RECOVERY_SEED={seed}");
    let mut dice = Dice::new(seed);

    let answered = Arc::new(tokio::sync::Notify::new());
    let model = model(&answered, dice.next()).await;
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path(), model.base_url()).await;
    let world = World::create(&server.url).await;
    let traffic = Traffic::start(world.clone(), &server.url, dice.next());

    for round in 1..=kills {
        let instant = choose(&mut dice);
        match instant {
            Instant::Ready(millis) => sleep(Duration::from_millis(millis)).await,
            Instant::Ack(micros) => {
                traffic.acknowledged().await;
                sleep(Duration::from_micros(micros)).await;
            }
            Instant::ModelCall(micros) => {
                let asked = model.requests().len();
                let _ = timeout(Duration::from_secs(10), model.requests_seen(asked + 1)).await;
                sleep(Duration::from_micros(micros)).await;
            }
            Instant::Answer(micros) => {
                let _ = timeout(Duration::from_secs(10), answered.notified()).await;
                sleep(Duration::from_micros(micros)).await;
            }
        }
        server.kill();
        println!("kill {round}: {instant:?}, {} acknowledged so far", traffic.acknowledgements());
        server = Server::start(directory.path(), model.base_url()).await;
        traffic.server_moved(&server.url);
    }

    let acknowledged = traffic.stop().await;
    assert!(acknowledged.len() as u64 > kills, "{} messages are too little traffic for {kills} kills", acknowledged.len());
    world.drained(&server.url).await;
    server.stop().await;
    let kept = compare::compare(&Target::Sqlite(directory.path().join("doolittle.db")), &world, &acknowledged, &[], &[]).await;
    println!("{} messages acknowledged, {kept}", acknowledged.len());
}

/// A model whose answers take a moment between their words, so that kills can fall between them.
async fn model(answered: &Arc<tokio::sync::Notify>, seed: u64) -> ScriptedModel {
    let dice = std::sync::Mutex::new(Dice::new(seed));
    let answered = Arc::clone(answered);
    ScriptedModel::answering(move |_| {
        let gate = testkit::gate::Gate::closed();
        let pauses: Vec<u64> = {
            let mut dice = dice.lock().unwrap();
            (0..3).map(|_| dice.below(8)).collect()
        };
        let (opener, answered) = (gate.clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            for pause in pauses {
                sleep(Duration::from_millis(pause)).await;
                opener.let_through(1);
            }
            answered.notify_waiters();
        });
        Reply::Held { pieces: vec!["one ".into(), "two ".into(), "three".into()], gate }
    })
    .await
    .unwrap()
}

fn choose(dice: &mut Dice) -> Instant {
    match dice.below(4) {
        0 => Instant::Ready(dice.below(400)),
        1 => Instant::Ack(dice.below(3_000)),
        2 => Instant::ModelCall(dice.below(20_000)),
        _ => Instant::Answer(dice.below(3_000)),
    }
}

/// Rounds with a data directory and choices of their own.
#[derive(Clone, Copy)]
struct Stretch {
    rounds: u64,
    seed: u64,
}

/// As many rounds as the environment asks for, or so many.
fn rounds(usual: u64) -> Stretch {
    let rounds = setting("DOOLITTLE_RECOVERY_ROUNDS").unwrap_or(usual);
    Stretch { rounds, seed: setting("DOOLITTLE_RECOVERY_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | rounds) }
}

/// The same in stretches of so many at most; each has the seed after the one before.
fn stretches(longest: u64) -> impl Iterator<Item = Stretch> {
    let Stretch { rounds, seed } = rounds(4);
    let begins = (0..rounds).step_by(usize::try_from(longest).unwrap());
    begins.zip(seed..).map(move |(begin, seed)| Stretch { rounds: longest.min(rounds - begin), seed })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_path_what_is_acknowledged_is_there_once_whenever_the_server_is_killed() {
    for stretch in stretches(STRETCH) {
        Storm::begin(stretch).rage().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_path_what_is_acknowledged_is_there_once_whenever_the_power_is_cut() {
    for stretch in stretches(STRETCH) {
        Storm { cuts: true, ..Storm::begin(stretch) }.rage().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_path_what_is_acknowledged_is_there_once_whatever_the_disk_fails_to_do() {
    for stretch in stretches(STRETCH) {
        Storm { cuts: true, faults: true, ..Storm::begin(stretch) }.rage().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_path_what_is_acknowledged_is_there_once_when_the_server_ends_while_the_log_is_moved_into_the_database() {
    for stretch in stretches(STRETCH) {
        Storm { cuts: true, focus: Focus::Checkpoints, ..Storm::begin(stretch) }.rage().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_that_is_kept_leads_to_all_that_is_acknowledged_whatever_ends_or_fails() {
    for stretch in stretches(storm::log::STRETCH) {
        Storm { cuts: true, faults: true, focus: Focus::Log, ..Storm::begin(stretch) }.rage().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_ends_anywhere_is_none_and_harms_nothing_and_the_next_has_all_that_was_acknowledged_before() {
    for stretch in stretches(storm::backups::STRETCH) {
        storm::backups::rage(stretch).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_path_what_is_acknowledged_is_there_once_on_postgres_whenever_the_server_is_killed() {
    for stretch in stretches(STRETCH) {
        let Some(database) = Database::create().await else { return };
        Storm { postgres: Some(database), cuts: true, ..Storm::begin(stretch) }.rage().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_path_what_is_acknowledged_is_there_once_however_connections_to_postgres_end() {
    for stretch in stretches(STRETCH) {
        let Some(database) = Database::create().await else { return };
        Storm { postgres: Some(database), faults: true, ..Storm::begin(stretch) }.rage().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_path_what_is_acknowledged_is_there_once_however_often_postgres_ends() {
    for stretch in stretches(STRETCH) {
        let Some(database) = Database::on_its_own().await else { return };
        Storm { postgres: Some(database), faults: true, ..Storm::begin(stretch) }.rage().await;
    }
}

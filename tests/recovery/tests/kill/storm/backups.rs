//! Backups that are made while everything is at work, and whose making ends at any instant: with the program that makes them, with the
//! server, or with the power.
//!
//! What has a backup's name is one, and whole; the server and its books are as if nothing had been; and the next backup, once it is
//! restored, has all that was acknowledged before it began.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use persistence::Target;
use tokio::time::sleep;

use super::{Actors, End, SETTINGS, finish, settle};
use crate::dice::Dice;
use crate::disk::{Disk, Keep};
use crate::server::{Launch, Server, verb, worked};
use crate::traffic::{Traffic, World};
use crate::{Stretch, compare};

/// So many rounds at most have one data directory. Each makes, verifies, restores and starts a copy of all that is in it, while the senders
/// go on.
pub const STRETCH: u64 = 10;

/// More calls than any backup has.
const MANY: u64 = 1 << 40;

/// What ends while a backup is made.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// The program that makes it, so many milliseconds after its start.
    Maker(u64),
    /// The same with the power of the disk that it is made on, before the so-manieth call that changes a file or a name there.
    Call(u64, Keep),
    /// The server, so many milliseconds after that. The backup goes on.
    Server(u64),
    /// Both, with the power.
    Power(u64, Keep),
    /// The server, so many milliseconds after its start, at which it makes a backup by itself.
    Own(u64),
}

/// What a whole backup takes.
struct Whole {
    calls: u64,
    millis: u64,
}

/// Where it all happens.
struct House<'h> {
    launch: Launch<'h>,
    disk: &'h Disk,
    /// The disk that backups are made on.
    shelf: &'h Disk,
    /// The directory of those that the server makes by itself.
    own: &'h Path,
    actors: Actors,
    traffic: Traffic,
}

fn choose(round: u64, dice: &mut Dice, whole: &Whole) -> Ends {
    let moment = dice.below(whole.millis.max(1));
    let keep = [Keep::Nothing, Keep::Some][usize::try_from(dice.below(2)).unwrap()];
    match (round % 4, dice.below(2)) {
        (1, 0) => Ends::Maker(moment),
        (1, _) => Ends::Call(1 + dice.below(whole.calls), keep),
        (2, _) => Ends::Server(moment),
        (3, _) => Ends::Power(moment, keep),
        _ => Ends::Own(moment),
    }
}

pub async fn rage(Stretch { rounds, seed }: Stretch) {
    println!("{rounds} rounds, DOOLITTLE_RECOVERY_SEED={seed}");
    let mut dice = Dice::new(seed);
    let model = crate::model(&Arc::default(), dice.next()).await;
    let directory = tempfile::tempdir().unwrap();
    let (disk, shelf) = (Disk::new(&directory.path().join("house")), Disk::new(&directory.path().join("shelf")));
    let own = directory.path().join("own");
    let of_own = [("BACKUP_DIR", own.to_str().unwrap()), ("BACKUP_COMPLETE", "true")];
    let settings: Vec<(&str, &str)> = SETTINGS.into_iter().chain(of_own).collect();
    let launch = Launch { directory: disk.root(), model: model.base_url(), postgres: None, disk: Some(&disk), settings: &settings };
    let mut server = launch.start().await;
    let world = World::create(&server.url).await;
    let actors = Actors::start(&server, &mut dice).await;
    let traffic = Traffic::start(world.clone(), &server.url, dice.next());
    let house = House { launch, disk: &disk, shelf: &shelf, own: &own, actors, traffic };

    let whole = house.whole().await;
    for round in 1..=rounds {
        let ends = choose(round, &mut dice, &whole);
        let form = if dice.below(2) == 0 { "half" } else { "half.tar" };
        let left;
        (server, left) = house.end(server, ends, form, &mut Dice::new(dice.next())).await;
        let held = house.actors.link.hold().await;
        assert!(!server.ends_within(Duration::ZERO).await, "the server has ended by itself");
        house.actors.check(&server, false).await;
        house.next().await;
        drop(held);
        println!("round {round}: {ends:?}, {left}; {} acknowledged so far", house.traffic.acknowledgements());
    }
    settle(server, house.actors, house.traffic, world, (disk.root(), None)).await;
}

impl House<'_> {
    /// Begins to make a backup, beside the server.
    fn backup(&self, name: &str) -> Child {
        let mut command = verb("backup", self.disk.root());
        self.shelf.beneath(&mut command);
        command.arg("--with-key").arg("--to").arg(self.shelf.root().join(name)).spawn().unwrap()
    }

    /// Makes one that nothing ends.
    async fn whole(&self) -> Whole {
        let began = Instant::now();
        self.shelf.end_after(MANY, u32::MAX);
        worked(self.backup("first.tar")).await;
        let (calls, millis) = (MANY - self.shelf.calls_left(), u64::try_from(began.elapsed().as_millis()).unwrap());
        self.shelf.end_after(0, 0);
        println!("a backup takes {calls} calls and {millis} ms");
        self.clear();
        Whole { calls, millis }
    }

    /// Has a backup made, and ends what is to end meanwhile. Tells what it left.
    async fn end(&self, mut server: Server, ends: Ends, form: &str, dice: &mut Dice) -> (Server, String) {
        match ends {
            Ends::Maker(millis) => {
                let mut maker = self.backup(form);
                sleep(Duration::from_millis(millis)).await;
                kill(&mut maker);
            }
            Ends::Call(number, keep) => {
                self.shelf.end_after(number, u32::MAX);
                // The disk knows of files that get another name, not of directories.
                let mut maker = self.backup("half.tar");
                let ended = tokio::task::spawn_blocking(move || maker.wait()).await.unwrap().unwrap();
                // Each has other calls than the first one had, a few more or less.
                assert_eq!(ended.success(), self.shelf.calls_left() > 0, "{ended}");
                self.shelf.end_after(0, 0);
                self.shelf.cut(keep, dice);
            }
            Ends::Server(millis) => {
                let maker = self.backup(form);
                sleep(Duration::from_millis(millis)).await;
                server = self.again(server, End::Kill, dice).await;
                worked(maker).await;
                assert!(self.shelf.root().join(form).exists());
            }
            Ends::Power(millis, keep) => {
                let mut maker = self.backup("half.tar");
                sleep(Duration::from_millis(millis)).await;
                kill(&mut maker);
                server = self.again(server, End::Cut(keep), dice).await;
                self.shelf.cut(keep, dice);
            }
            Ends::Own(millis) => {
                let _ = fs::remove_dir_all(self.own);
                server = self.again(server, End::Kill, dice).await;
                sleep(Duration::from_millis(millis)).await;
                server = self.again(server, End::Kill, dice).await;
            }
        }
        let mut left = [0, 0];
        for directory in [self.shelf.root(), self.own] {
            let [whole, unfinished] = look_at(directory).await;
            left = [left[0] + whole, left[1] + unfinished];
        }
        self.clear();
        (server, format!("{} whole and {} unfinished ones are left", left[0], left[1]))
    }

    /// Ends the server, and starts it again.
    async fn again(&self, server: Server, end: End, dice: &mut Dice) -> Server {
        server.kill();
        let mut held = self.actors.link.hold().await;
        *held = None;
        finish(end, self.disk, dice);
        let server = self.launch.start().await;
        self.actors.check(&server, false).await;
        *held = Some(server.address());
        drop(held);
        self.traffic.server_moved(&server.url);
        server
    }

    /// The next backup works, and has all that was acknowledged before it began. The senders of messages go on meanwhile; everybody else
    /// must be held, so that the books are as they were.
    async fn next(&self) {
        let known = self.traffic.so_far();
        worked(self.backup("next")).await;
        let backup = self.shelf.root().join("next");
        worked(verb("verify", self.disk.root()).arg("--backup").arg(&backup).spawn().unwrap()).await;
        let elsewhere = tempfile::tempdir().unwrap();
        // What is restored is verified.
        worked(verb("restore", elsewhere.path()).arg("--from").arg(&backup).spawn().unwrap()).await;
        compare::has(&Target::Sqlite(elsewhere.path().join("doolittle.db")), &known).await;
        let restored = Launch { directory: elsewhere.path(), disk: None, settings: &SETTINGS, ..self.launch }.start().await;
        self.actors.check(&restored, false).await;
        restored.kill();
        self.clear();
    }

    /// Takes all backups off the shelf.
    fn clear(&self) {
        fs::remove_dir_all(self.shelf.root()).unwrap();
        fs::create_dir(self.shelf.root()).unwrap();
        self.shelf.settle();
    }
}

fn kill(process: &mut Child) {
    // It may have ended already.
    let _ = process.kill();
    let _ = process.wait();
}

/// What has a backup's name in a directory is whole; how many have one, and how many have not.
async fn look_at(directory: &Path) -> [usize; 2] {
    let mut seen = [0, 0];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains(".partial-") {
            seen[1] += 1;
            continue;
        }
        seen[0] += 1;
        worked(verb("verify", directory).arg("--backup").arg(&path).spawn().unwrap()).await;
    }
    seen
}

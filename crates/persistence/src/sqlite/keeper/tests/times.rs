//! The times of commits, with a clock that goes ahead and back.

use super::*;
use crate::care::log::{file, numbers};
use crate::care::{CheckedLog, Disorder, LeftOut, Replayed};

/// What the one log of these settings is found to be.
fn looked_at(kept: &Kept) -> CheckedLog {
    let mut logs = care::check_log(&kept.log(), |_| {}).unwrap();
    assert_eq!(logs.len(), 1, "{logs:?}");
    logs.remove(0)
}

/// Gives the commits of a log other times.
fn retime(directory: &Path, time: impl Fn(i64) -> i64) {
    let mut previous = None;
    for number in numbers(directory).unwrap() {
        let bytes = fs::read(file(directory, number)).unwrap();
        let mut rest = bytes.as_slice();
        let head = Head::read(&mut rest).unwrap();
        let head = Head { previous: previous.unwrap_or(head.previous), ..head };
        let commits: Vec<(u32, i64)> = (0..head.commits)
            .map(|_| (u32::from_be_bytes(take(&mut rest).unwrap()), time(i64::from_be_bytes(take(&mut rest).unwrap()))))
            .collect();
        let mut draft = Draft::begin(directory, &head, &commits).unwrap();
        draft.write(&rest[..rest.len() - 32]).unwrap();
        previous = Some(draft.finish().unwrap());
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Has everything before be noted: that comes after the answer to a commit, and before the next commit.
async fn followed_up(writer: &Writer) {
    let nothing = |conn: &mut Conn| -> Result<usize, QueryError> { diesel::sql_query("DELETE FROM kept WHERE id = 77").execute(conn) };
    assert_eq!(writer.run(Durability::Synced, nothing).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn commits_after_a_clock_was_set_right_are_those_of_their_moment_also_after_a_start() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    kept.add(&writer, 100, 10).await;
    writer.close().await;
    // The clock was set back, once between a clean end and a start, and once between a crash and one.
    kept.clock.0.store(50, Ordering::SeqCst);
    let writer = kept.open();
    kept.add(&writer, 50, 10).await;
    writer.keep().await.unwrap();
    kept.add(&writer, 200, 10).await;
    followed_up(&writer).await;
    let crashed = Kept::new();
    copy_all(kept.directory.path(), &[FILES.as_slice(), &["log"]].concat(), crashed.directory.path());
    writer.close().await;
    crashed.clock.0.store(60, Ordering::SeqCst);
    let writer = crashed.open();
    crashed.add(&writer, 61, 10).await;
    crashed.add(&writer, 300, 10).await;
    writer.close().await;

    let log = looked_at(&crashed);
    let disorder = Some(Disorder { commits: 2, from: at(50), until: at(200) });
    assert!(log.problems.is_empty() && log.disorder == disorder, "{log:?}");
    assert_eq!((log.stretches.len(), log.stretches[0].ends), (1, Some(at(300))));
    for (until, rows) in [(1, 1), (49, 1), (50, 3), (60, 3), (61, 5), (299, 5), (300, 6)] {
        assert_eq!(crashed.rows_at(&crashed.nothing(), &(lineage.clone(), 1), until).unwrap(), rows, "at {until}");
    }
}

#[tokio::test]
async fn a_commit_whose_time_was_lost_has_that_of_the_next_one() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    for at in [10, 20, 30, 40] {
        kept.add(&writer, at, 10).await;
    }
    followed_up(&writer).await;
    let crashed = Kept::new();
    copy_all(kept.directory.path(), &[FILES.as_slice(), &["log"]].concat(), crashed.directory.path());
    writer.close().await;
    let times = directory(&crashed.log(), u128::from_str_radix(&lineage, 16).unwrap()).join(TIMES);
    let mut left = fs::read(&times).unwrap();
    assert_eq!(left.len(), 4 * TIME, "one for each commit");
    // Of 20, and of 40 as the last one.
    left.truncate(3 * TIME);
    left[TIME..2 * TIME].fill(0);
    fs::write(&times, left).unwrap();
    crashed.clock.0.store(90, Ordering::SeqCst);
    crashed.open().close().await;
    for (until, rows) in [(10, 2), (29, 2), (30, 4), (89, 4), (90, 5)] {
        assert_eq!(crashed.rows_at(&crashed.nothing(), &(lineage.clone(), 1), until).unwrap(), rows, "at {until}");
    }
}

#[tokio::test]
async fn where_times_are_out_of_order_the_last_commit_at_or_before_the_moment_is_gone_to() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    for at in 2..=6 {
        kept.add(&writer, at, 10).await;
        writer.keep().await.unwrap();
    }
    writer.close().await;
    let place = directory(&kept.log(), u128::from_str_radix(&lineage, 16).unwrap());
    // The clock was ahead for one commit, and was set right.
    retime(&place, |time| [time, 60, 3, 4, 5][usize::try_from((time - 2).clamp(0, 4)).unwrap()]);

    let log = looked_at(&kept);
    let disorder = Some(Disorder { commits: 3, from: at(3), until: at(60) });
    assert!(log.problems.is_empty() && log.disorder == disorder, "{log:?}");
    let start = (lineage.clone(), 1);
    for (until, rows) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 6), (59, 6), (100, 6)] {
        assert_eq!(kept.rows_at(&kept.nothing(), &start, until).unwrap(), rows, "at {until}");
    }
    let replayed = |until| care::replay(&kept.nothing(), &kept.log(), &lineage, 1, at(until)).unwrap();
    let Replayed { last, left_out, .. } = replayed(2);
    assert_eq!((last, left_out), (Some(at(2)), Some(LeftOut { commits: 4, first: at(60), last: at(5) })));
    let Replayed { last, left_out, disorder: told, .. } = replayed(30);
    assert_eq!((last, left_out, told), (Some(at(5)), None, disorder));

    // What is not there may have been of before the moment, unless something later comes before the gap.
    fs::remove_file(file(&place, *numbers(&place).unwrap().last().unwrap())).unwrap();
    assert_eq!(replayed(2).left_out.unwrap().commits, 3);
    let segments = numbers(&place).unwrap();
    fs::remove_file(file(&place, segments[segments.len() - 3])).unwrap();
    assert_eq!(replayed(1).last, Some(at(1)));
    let Err(CareError::Damaged { what, .. }) = care::replay(&kept.nothing(), &kept.log(), &lineage, 1, at(30)) else {
        panic!("a gap is passed over")
    };
    assert!(what.contains("is missing; what comes before it leads up to 1970-01-01T00:00:00.002Z"), "{what}");
}

#[tokio::test]
async fn a_log_is_looked_at_by_itself() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    for at in 2..=6 {
        kept.add(&writer, at, 10).await;
        writer.keep().await.unwrap();
    }
    let log = looked_at(&kept);
    writer.close().await;
    assert_eq!(log.lineage, lineage);
    assert!(log.problems.is_empty() && log.stretches.len() == 1, "{log:?}");
    let whole = &log.stretches[0];
    let place = directory(&kept.log(), u128::from_str_radix(&lineage, 16).unwrap());
    let segments = numbers(&place).unwrap();
    assert_eq!((whole.first, whole.last, whole.ends), (1, *segments.last().unwrap(), Some(at(6))));
    assert_eq!(log.last, whole.last);

    // A changed byte, and a segment of which another was made.
    let third = file(&place, segments[2]);
    let bytes = fs::read(&third).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&third, &flipped).unwrap();
    let log = looked_at(&kept);
    assert!(log.problems.len() == 1 && log.problems[0].contains("its bytes have changed"), "{log:?}");
    assert_eq!(log.stretches.iter().map(|stretch| (stretch.first, stretch.last)).collect::<Vec<_>>(), [(1, 2), (4, whole.last)]);
    fs::write(&third, &bytes).unwrap();
    let head = Head::read(&mut bytes.as_slice()).unwrap();
    let mut draft = Draft::begin(&place, &Head { commits: 0, ..head }, &[]).unwrap();
    draft.write(&bytes[96 + 12 * usize::try_from(head.commits).unwrap()..bytes.len() - 32]).unwrap();
    draft.finish().unwrap();
    let log = looked_at(&kept);
    assert_eq!(
        (log.problems.as_slice(), log.stretches.len()),
        (&["the segment number 4 does not go on where the one before ends".to_owned()][..], 2)
    );

    // A gap, and what is forgotten at the beginning, which is none.
    fs::remove_file(&third).unwrap();
    assert_eq!(looked_at(&kept).problems, ["the segment number 3 is missing"]);
    fs::remove_file(file(&place, 2)).unwrap();
    assert_eq!(looked_at(&kept).problems, ["the segments from number 2 to 3 are missing"]);
    fs::remove_file(file(&place, 1)).unwrap();
    assert!(looked_at(&kept).problems.is_empty());
    assert!(care::check_log(kept.directory.path(), |_| {}).unwrap().is_empty(), "no log is there");
    assert!(care::check_log(&kept.path(), |_| {}).is_err());
}

#[tokio::test]
async fn what_is_forgotten_while_a_log_is_looked_at_is_no_gap_in_it() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    for at in 2..=6 {
        kept.add(&writer, at, 10).await;
        writer.keep().await.unwrap();
    }
    writer.close().await;
    for (gone, problems, first) in [
        // From the first on, as a server forgets them.
        (&[1, 2, 3][..], &[][..], 4),
        (&[1, 2, 3, 5], &["the segment number 5 is missing"], 4),
        // What goes while the first is there is a gap.
        (&[2, 3], &["the segments from number 2 to 3 are missing"], 1),
    ] {
        let other = Kept::new();
        copy_all(kept.directory.path(), &["log"], other.directory.path());
        let place = directory(&other.log(), u128::from_str_radix(&lineage, 16).unwrap());
        let last = *numbers(&place).unwrap().last().unwrap();
        let mut is_first = true;
        let logs = care::check_log(&other.log(), |_| {
            if std::mem::take(&mut is_first) {
                for number in gone {
                    fs::remove_file(file(&place, *number)).unwrap();
                }
            }
        });
        let log = logs.unwrap().remove(0);
        assert_eq!(log.problems, problems, "{gone:?}");
        assert_eq!((log.stretches.first().unwrap().first, log.last), (first, last), "{gone:?}");
    }
}

//! Starts where the log is not there, as where its disk is not mounted.

use super::*;

impl Kept {
    fn begin(&self) -> Result<Keeper, OpenError> {
        Keeper::begin(&self.path(), &self.options(), Arc::<Counted>::clone(&self.ids))
    }

    fn files(&self) -> [Option<Vec<u8>>; 3] {
        FILES.map(|name| fs::read(self.directory.path().join(name)).ok())
    }
}

#[tokio::test]
async fn where_no_log_at_all_is_there_although_the_database_goes_on_in_one_nothing_begins() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    writer.close().await;
    let (before, away) = (kept.files(), kept.directory.path().join("away"));
    fs::rename(kept.log(), &away).unwrap();
    for point in ["missing", "empty", "with something else in it"] {
        match point {
            "missing" => {}
            "empty" => fs::create_dir(kept.log()).unwrap(),
            _ => fs::create_dir(kept.log().join("lost+found")).unwrap(),
        }
        let Some(refused) = kept.begin().err() else { panic!("another is begun where the directory is {point}") };
        let OpenError::Unmounted { log, lineage: named } = &refused else { panic!("{point}: {refused:?}") };
        assert!(*log == kept.log() && *named == lineage && refused.to_string().contains(&lineage), "{point}: {refused}");
        assert!(kept.files() == before, "{point}: the database is left as it is");
        assert_eq!(kept.log().exists(), point != "missing", "nothing is made");
        assert!(!crate::care::log::has_logs(&kept.log()).unwrap(), "{point}");
    }
    // It is mounted again.
    fs::remove_dir_all(kept.log()).unwrap();
    fs::rename(away, kept.log()).unwrap();
    let writer = kept.open();
    kept.add(&writer, 2, 10).await;
    writer.close().await;
    assert_eq!(kept.place().0, lineage);
    assert_eq!(kept.rows_at(&kept.nothing(), &(lineage, 1), 2).unwrap(), 2);
}

#[tokio::test]
async fn what_is_written_without_a_log_lets_another_begin_in_an_empty_directory() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    writer.close().await;
    fs::remove_dir_all(kept.log()).unwrap();
    assert!(matches!(kept.begin().err(), Some(OpenError::Unmounted { .. })));
    // Any unit of work that a server runs at its start, also one that changes nothing.
    let options = Options::default();
    let conn = connect::for_writing(&kept.path(), &options).unwrap();
    let writer = Writer::start(conn, kept.path(), options, None).unwrap();
    let nothing = |conn: &mut Conn| -> Result<usize, QueryError> { diesel::sql_query("DELETE FROM kept WHERE id = 77").execute(conn) };
    assert_eq!(writer.run(Durability::Synced, nothing).await.unwrap().unwrap(), 0);
    writer.close().await;
    assert!(!lineage_file(&kept.path()).exists());
    kept.open().close().await;
    assert_ne!(kept.place().0, lineage);
}

#[tokio::test]
async fn where_other_logs_are_there_and_this_one_is_not_another_begins() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    writer.close().await;
    let place = directory(&kept.log(), u128::from_str_radix(&lineage, 16).unwrap());
    fs::rename(place, directory(&kept.log(), 77)).unwrap();
    kept.open().close().await;
    assert_ne!(kept.place().0, lineage);
}

#[tokio::test]
async fn the_log_that_begins_after_the_end_of_one_is_found() {
    let kept = Kept::new();
    let mut lineages = Vec::new();
    for at in [10, 20, 30] {
        let writer = kept.open();
        kept.add(&writer, at, 10).await;
        writer.close().await;
        lineages.push(kept.place().0);
        forget(&kept.path()).unwrap();
    }
    let later = |beside: usize, after: i64| {
        let later = care::later_log(&kept.log(), &lineages[beside], Timestamp::from_millis(after)).unwrap();
        later.map(|later| (later.lineage, later.from.millis()))
    };
    assert_eq!(later(0, 10), Some((lineages[1].clone(), 20)));
    assert_eq!(later(1, 20), Some((lineages[2].clone(), 30)));
    assert_eq!(later(2, 30), None);
}

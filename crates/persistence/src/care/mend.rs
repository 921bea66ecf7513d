//! Mending what is derived from other rows. Nobody else may work on the file.

use std::path::Path;

use super::{Access, CareError, open};

/// Makes all indexes of tables anew.
pub fn reindex(path: &Path) -> Result<(), CareError> {
    open(path, Access::Shared)?.execute_batch("REINDEX").map_err(CareError::database(path))
}

/// Empties the index of words and has every memory wait to be put into it; returns how many. A store does that by and by.
pub fn forget_words(path: &Path) -> Result<usize, CareError> {
    let failed = CareError::database(path);
    let mut conn = open(path, Access::Shared)?;
    let tx = conn.transaction().map_err(&failed)?;
    tx.execute("INSERT INTO memory_words (memory_words) VALUES ('delete-all')", []).map_err(&failed)?;
    let waiting = tx.execute("UPDATE memories SET words_version = 0", []).map_err(&failed)?;
    tx.commit().map_err(&failed)?;
    Ok(waiting)
}

/// Drops vectors that are of no memory, in no space, or no numbers, and queues memories without one for new ones; returns how many are
/// dropped. Memories without a text are queued as well, which costs a look at them.
pub fn forget_vectors(path: &Path) -> Result<usize, CareError> {
    let failed = CareError::database(path);
    let mut conn = open(path, Access::Shared)?;
    let tx = conn.transaction().map_err(&failed)?;
    tx.execute_batch(
        "CREATE TEMP TABLE broken AS SELECT v.number FROM memory_vectors v \
         LEFT JOIN embedding_spaces s ON s.id = v.space_id LEFT JOIN memories m ON m.ordinal = v.memory_ordinal \
         WHERE s.id IS NULL OR length(v.numbers) <> s.dimension OR NOT (v.scale >= 0 AND v.scale < 3.5e38) \
         OR m.ordinal IS NULL OR m.id <> v.memory_id OR m.agent_id <> v.agent_id",
    )
    .map_err(&failed)?;
    let dropped = tx.execute("DELETE FROM memory_vectors WHERE number IN (SELECT number FROM temp.broken)", []).map_err(&failed)?;
    let without = "UPDATE memories SET embedded = 0 WHERE embedded AND NOT EXISTS (SELECT 1 FROM memory_vectors v \
                   WHERE v.memory_ordinal = memories.ordinal)";
    tx.execute(without, []).map_err(&failed)?;
    tx.commit().map_err(&failed)?;
    Ok(dropped)
}

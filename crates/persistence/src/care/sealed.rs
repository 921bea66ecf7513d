//! The encrypted secrets of a file, for those who look whether they have the keys to them.

use std::path::Path;

use core_types::AgentId;
use core_types::secrets::SealedSecret;
use uuid::Uuid;

use super::{Access, CareError, open};

/// Goes over the agents' secrets of a frozen database, each as it is stored. Rows that make no sense are passed over: a check tells them.
pub fn sealed(path: &Path, mut each: impl FnMut(AgentId, &SealedSecret)) -> Result<(), CareError> {
    let failed = CareError::database(path);
    let conn = open(path, Access::Frozen)?;
    // Databases of earlier versions may have no such table.
    let known = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'agent_secrets'";
    if conn.query_row(known, [], |row| row.get::<_, i64>(0)).map_err(&failed)? == 0 {
        return Ok(());
    }
    let mut statement = conn.prepare("SELECT agent_id, name, sealed FROM agent_secrets").map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let (Ok(agent), Ok(name), Ok(sealed)) = (row.get::<_, Vec<u8>>(0), row.get(1), row.get(2)) else { continue };
        let Ok(agent) = <[u8; 16]>::try_from(agent) else { continue };
        each(AgentId::new(Uuid::from_bytes(agent)), &SealedSecret { name, sealed });
    }
    Ok(())
}

//! Reading the database of an elizaOS server, to move in. It lies here because nothing else speaks SQL or connects to PostgreSQL.
//!
//! One transaction that cannot write sees the database as it is at one moment. Each table is read through a cursor of the
//! server: sorted once, and no more of it here than one page.

use async_trait::async_trait;
use core_types::moving::{ElizaOsDatabase, ElizaOsRows};
use core_types::{JsonObject, StoreResult};
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection as Conn, RunQueryDsl as _, SimpleAsyncConnection as _};

use crate::error::{Fault, OpenError};
use crate::postgres::connect::Connector;

/// Tables that every database of elizaOS 1.7.2 has, and whose absence shows that this is another.
const SIGNS: [&str; 3] = ["agents", "central_messages", "message_servers"];

/// An open database of elizaOS.
pub struct Database {
    conn: Conn,
    place: String,
    is_reading: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    row: String,
}

#[derive(QueryableByName)]
struct TableName {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Connects to the PostgreSQL database at this URL, which is read and nothing else; refuses one that is not elizaOS's.
pub async fn open(url: &str) -> Result<Database, OpenError> {
    let (connector, mut conn) = Connector::connected(url).await?;
    let failed = |error: diesel::result::Error| OpenError::Failed { source: Box::new(error) };
    conn.batch_execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL timezone = 'UTC'").await.map_err(failed)?;
    let names = table_names(&mut conn).await.map_err(failed)?;
    if let Some(missing) = SIGNS.iter().find(|sign| !names.iter().any(|name| name == *sign)) {
        return Err(OpenError::Foreign { place: connector.place().to_owned(), missing: (*missing).to_owned() });
    }
    Ok(Database { conn, place: connector.place().to_owned(), is_reading: false })
}

async fn table_names(conn: &mut Conn) -> diesel::QueryResult<Vec<String>> {
    let query = "SELECT table_name::text AS name FROM information_schema.tables \
                 WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1";
    let rows: Vec<TableName> = sql_query(query).load(conn).await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

impl Database {
    /// Which database this is, without its password.
    pub fn describe(&self) -> &str {
        &self.place
    }
}

/// The rows of a table in their order.
const fn query(rows: ElizaOsRows) -> &'static str {
    match rows {
        ElizaOsRows::Servers => "SELECT * FROM message_servers ORDER BY created_at, id",
        ElizaOsRows::Agents => "SELECT * FROM agents ORDER BY created_at, id",
        ElizaOsRows::ServerAgents => "SELECT * FROM message_server_agents ORDER BY message_server_id, agent_id",
        ElizaOsRows::Worlds => "SELECT * FROM worlds ORDER BY created_at, id",
        ElizaOsRows::Entities => "SELECT * FROM entities ORDER BY created_at, id",
        ElizaOsRows::Rooms => "SELECT * FROM rooms ORDER BY created_at, id",
        ElizaOsRows::Participants => {
            "SELECT p.*, r.agent_id AS room_agent_id, e.agent_id AS entity_agent_id, \
             e.names AS entity_names, e.metadata AS entity_metadata \
             FROM participants p LEFT JOIN rooms r ON r.id = p.room_id LEFT JOIN entities e ON e.id = p.entity_id \
             ORDER BY p.room_id, p.created_at, p.id"
        }
        ElizaOsRows::Memories => "SELECT * FROM memories ORDER BY metadata->>'type' IS DISTINCT FROM 'document', created_at, id",
        ElizaOsRows::Channels => {
            "SELECT c.*, (SELECT json_agg(p.entity_id) FROM channel_participants p WHERE p.channel_id = c.id) AS participants \
             FROM channels c ORDER BY c.created_at, c.id"
        }
        ElizaOsRows::Messages => "SELECT * FROM central_messages ORDER BY channel_id, created_at, id",
    }
}

/// A name as SQL takes any name.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[async_trait]
impl ElizaOsDatabase for Database {
    async fn tables(&mut self) -> StoreResult<Vec<(String, u64)>> {
        let names = table_names(&mut self.conn).await.map_err(Fault::from)?;
        let mut tables = Vec::with_capacity(names.len());
        for name in names {
            let count = sql_query(format!("SELECT count(*) AS rows FROM {}", quoted(&name)));
            let count: Count = count.get_result(&mut self.conn).await.map_err(Fault::from)?;
            tables.push((name, count.rows.unsigned_abs()));
        }
        Ok(tables)
    }

    async fn read(&mut self, rows: ElizaOsRows) -> StoreResult<()> {
        let close = if self.is_reading { "CLOSE moving; " } else { "" };
        let cursor =
            format!("{close}DECLARE moving NO SCROLL CURSOR FOR SELECT row_to_json(found)::text AS row FROM ({}) found", query(rows));
        self.conn.batch_execute(&cursor).await.map_err(Fault::from)?;
        self.is_reading = true;
        Ok(())
    }

    async fn next(&mut self, limit: u32) -> StoreResult<Vec<JsonObject>> {
        let rows: Vec<Row> = sql_query(format!("FETCH {limit} FROM moving")).load(&mut self.conn).await.map_err(Fault::from)?;
        let read = |row: Row| serde_json::from_str(&row.row).map_err(|error| Fault::Defect(format!("a row is no JSON object: {error}")));
        Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
    }
}

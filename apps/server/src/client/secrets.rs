//! The verb `secrets`.

use outbound::Method;
use serde_json::Value;

use super::Server;
use super::agents::print_json;
use crate::cli::{SecretsVerb, ServerArgs};
use crate::config::Config;
use crate::exit::Failure;
use crate::program::print;

/// Does what the command line says.
pub async fn run(config: &Config, verb: SecretsVerb, server: &ServerArgs, as_json: bool) -> Result<(), Failure> {
    let server = Server::named(config, server)?;
    let SecretsVerb::Rotate = verb;
    let done = server.ask(Method::Post, "/api/secrets/rotate", None).await?;
    if as_json {
        return print_json(&done);
    }
    let resealed = done.get("resealed").and_then(Value::as_u64).unwrap_or_default();
    print(&if done.get("newKey").and_then(Value::as_bool).unwrap_or_default() {
        format!("There is a new key, and {resealed} secrets are encrypted with it. Backups from before need the key from before.\n")
    } else {
        format!(
            "The key follows from SECRET_SALT; {resealed} secrets of an earlier one are encrypted with it. What the earlier one came from \
             (SECRET_SALT_PREVIOUS, or secret.key) is needed for backups from before alone.\n"
        )
    })
}

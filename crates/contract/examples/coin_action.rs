//! An action: throwing a coin.

use async_trait::async_trait;
use core_types::actions::{Action, ActionContext, ActionError, ActionOutcome};
use core_types::models::ToolSpec;
use serde_json::{Value, json};

/// Throws a coin. The same run throws the same side, however often it is repeated.
pub struct ThrowCoin;

#[async_trait]
impl Action for ThrowCoin {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "THROW_COIN".to_owned(),
            description: "Throw a coin, when somebody wants chance to decide.".to_owned(),
            parameters: json!({"type": "object", "properties": {}}),
        }
    }

    async fn run(&self, context: ActionContext<'_>, _arguments: Value) -> Result<ActionOutcome, ActionError> {
        let side = if context.run_id.uuid().as_u128().is_multiple_of(2) { "heads" } else { "tails" };
        Ok(ActionOutcome { tells_model: Some(format!("The coin shows {side}.")), ..ActionOutcome::default() })
    }
}

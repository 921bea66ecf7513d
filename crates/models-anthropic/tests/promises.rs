//! The adapter keeps the promises of a model provider.

mod common;

use testkit::stage::ScriptedStage;

contract::model_contract!(ScriptedStage::new(common::KEY, common::provider));

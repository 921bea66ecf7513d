//! The in-process bus keeps the promises of a bus.

use std::sync::Arc;

use doolittle_bus::InProcessBus;

contract::bus_contract!(Arc::new(InProcessBus::new()));

#[tokio::test]
async fn a_topic_without_readers_holds_no_memory() {
    use core_types::bus::{EventBus, Topic};
    let bus = InProcessBus::new();
    let first = bus.subscribe(Topic::Work).await;
    let second = bus.subscribe(Topic::Work).await;
    assert_eq!(bus.topics(), 1);
    drop((first, second));
    assert_eq!(bus.topics(), 0);
}

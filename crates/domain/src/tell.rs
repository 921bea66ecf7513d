//! Telling what was committed.

use std::sync::Arc;

use core_types::bus::{BusEvent, EventBus, Topic};
use core_types::deliveries::DeliveryState;
use core_types::messaging::{ChannelEvent, EventBody};

/// Publishes events of channels in their order, and tells the workers which deliveries were cancelled by them.
pub(crate) async fn tell(bus: &dyn EventBus, events: Vec<ChannelEvent>) {
    let cancelled = events.iter().filter_map(|event| match &event.body {
        EventBody::Complete(Some(completion)) if completion.state == DeliveryState::Cancelled => Some(completion.delivery_id),
        _ => None,
    });
    let cancelled: Arc<[_]> = cancelled.collect();
    for event in events {
        bus.publish(Topic::Channel(event.channel_id), BusEvent::Channel(Arc::new(event))).await;
    }
    if !cancelled.is_empty() {
        bus.publish(Topic::Work, BusEvent::DeliveriesCancelled(cancelled)).await;
    }
}

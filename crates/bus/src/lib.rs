//! The in-process event bus: one bounded ring per topic that somebody reads, nothing for the others.
//!
//! A bus that spans processes is another crate which passes the same contract (`contract::bus`).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use core_types::bus::{BusEvent, EventBus, Lagged, Subscription, Topic};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Events held for the slowest reader of a channel. What falls out is read again from the store.
const CHANNEL_EVENTS: usize = 128;

/// Events held for the slowest worker; each is only a wake-up.
const WORK_EVENTS: usize = 1024;

type Topics = Arc<Mutex<HashMap<Topic, broadcast::Sender<BusEvent>>>>;

/// The bus of one process. Clones share their topics.
#[derive(Debug, Clone, Default)]
pub struct InProcessBus {
    topics: Topics,
}

impl InProcessBus {
    /// A bus without readers.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many topics are being read, for tests and metrics.
    pub fn topics(&self) -> usize {
        self.topics.lock().len()
    }
}

#[async_trait]
impl EventBus for InProcessBus {
    async fn publish(&self, topic: Topic, event: BusEvent) {
        let topics = self.topics.lock();
        // Sending fails only while the last reader is leaving, and then nobody misses the event.
        if let Topic::Channel(channel) = topic
            && !matches!(event, BusEvent::Chunk(_))
            && let Some(sender) = topics.get(&Topic::Quiet(channel))
        {
            let _ = sender.send(event.clone());
        }
        if let Some(sender) = topics.get(&topic) {
            let _ = sender.send(event);
        }
    }

    async fn subscribe(&self, topic: Topic) -> Box<dyn Subscription> {
        let capacity = match topic {
            Topic::Channel(_) | Topic::Quiet(_) => CHANNEL_EVENTS,
            Topic::Work => WORK_EVENTS,
        };
        let receiver = self.topics.lock().entry(topic).or_insert_with(|| broadcast::Sender::new(capacity)).subscribe();
        Box::new(Reader { topic, receiver: Some(receiver), topics: Arc::clone(&self.topics) })
    }
}

struct Reader {
    topic: Topic,
    /// Taken only when the reader is dropped.
    receiver: Option<broadcast::Receiver<BusEvent>>,
    topics: Topics,
}

#[async_trait]
impl Subscription for Reader {
    async fn next(&mut self) -> Result<BusEvent, Lagged> {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        match receiver.recv().await {
            Ok(event) => Ok(event),
            Err(RecvError::Lagged(_)) => Err(Lagged),
            // Cannot happen while this reader keeps its topic alive; waiting is what it asked for.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Reader {
    /// The last reader takes the topic's ring with it, so that memory follows the readers there are.
    fn drop(&mut self) {
        let mut topics = self.topics.lock();
        // Under the lock, so that of two readers who leave together the later one finds nobody.
        self.receiver = None;
        if topics.get(&self.topic).is_some_and(|sender| sender.receiver_count() == 0) {
            topics.remove(&self.topic);
        }
    }
}

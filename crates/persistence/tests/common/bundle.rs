//! A store as the promises take it.

use contract::stores::Stores;
use doolittle_persistence::Store;

/// The repositories of a store.
pub fn stores_of(store: &Store) -> Stores {
    Stores {
        access: store.access(),
        keys: store.keys(),
        agents: store.agents(),
        servers: store.servers(),
        channels: store.channels(),
        messages: store.messages(),
        deliveries: store.deliveries(),
        sessions: store.sessions(),
        jobs: store.jobs(),
        worlds: store.worlds(),
        rooms: store.rooms(),
        memories: store.memories(),
        reflections: store.reflections(),
        vectors: store.vectors(),
        media: store.media(),
        runs: store.runs(),
        secrets: store.secrets(),
        arrivals: store.arrivals(),
        belongings: store.belongings(),
        repeats: store.repeats(),
    }
}

//! What is decided of every operation and every event: who may, and what of it others see.

use core_types::Permission::{self, AgentsRead, AgentsWrite, MemoriesRead, MemoriesWrite, MessagesRead, MessagesWrite, SystemRead};

/// Whom an operation serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Whoever comes, without a key.
    Anyone,
    /// Whoever shows a key that counts.
    Known,
    /// Whoever has the permission, all alike.
    Alike(Permission),
    /// Whoever has the permission, each with what is its own and nothing of others.
    Apart(Permission),
    /// The tenant whose thing the request names, with the permission. To another the thing is not there.
    Own(Permission),
    /// Whoever comes from this machine, and from elsewhere whoever has a key with `system:read`.
    Nearby,
    /// The owner of the server alone.
    Owner,
}

/// Every operation of the OpenAPI document.
pub const OPERATIONS: &[(&str, Serves)] = &[
    ("GET /api/agents", Serves::Apart(AgentsRead)),
    ("POST /api/agents", Serves::Apart(AgentsWrite)),
    ("GET /api/agents/{agent_id}", Serves::Own(AgentsRead)),
    ("DELETE /api/agents/{agent_id}", Serves::Own(AgentsWrite)),
    ("PATCH /api/agents/{agent_id}", Serves::Own(AgentsWrite)),
    ("POST /api/agents/{agent_id}/start", Serves::Own(AgentsWrite)),
    ("POST /api/agents/{agent_id}/stop", Serves::Own(AgentsWrite)),
    ("POST /api/agents/{agent_id}/restart", Serves::Own(AgentsWrite)),
    ("GET /api/agents/{agent_id}/logs", Serves::Own(AgentsRead)),
    ("DELETE /api/agents/{agent_id}/logs/{log_id}", Serves::Own(AgentsWrite)),
    ("GET /api/agents/{agent_id}/runs", Serves::Own(AgentsRead)),
    ("GET /api/agents/{agent_id}/runs/{run_id}", Serves::Own(AgentsRead)),
    ("GET /api/agents/{agent_id}/panels", Serves::Own(AgentsRead)),
    ("GET /api/agents/worlds", Serves::Apart(AgentsRead)),
    ("GET /api/agents/{agent_id}/worlds", Serves::Own(AgentsRead)),
    ("POST /api/agents/{agent_id}/worlds", Serves::Own(AgentsWrite)),
    ("GET /api/agents/{agent_id}/worlds/{world_id}", Serves::Own(AgentsRead)),
    ("PATCH /api/agents/{agent_id}/worlds/{world_id}", Serves::Own(AgentsWrite)),
    ("GET /api/memory/agents/{agent_id}/memories", Serves::Own(MemoriesRead)),
    ("DELETE /api/memory/agents/{agent_id}/memories", Serves::Own(MemoriesWrite)),
    ("POST /api/memory/agents/{agent_id}/search", Serves::Own(MemoriesRead)),
    ("GET /api/memory/agents/{agent_id}/embeddings", Serves::Own(MemoriesRead)),
    ("GET /api/memory/agents/{agent_id}/memories/{memory_id}", Serves::Own(MemoriesRead)),
    ("DELETE /api/memory/agents/{agent_id}/memories/{memory_id}", Serves::Own(MemoriesWrite)),
    ("PATCH /api/memory/agents/{agent_id}/memories/{memory_id}", Serves::Own(MemoriesWrite)),
    ("GET /api/memory/agents/{agent_id}/memories/{memory_id}/why", Serves::Own(MemoriesRead)),
    ("GET /api/agents/{agent_id}/memories", Serves::Own(MemoriesRead)),
    ("DELETE /api/agents/{agent_id}/memories", Serves::Own(MemoriesWrite)),
    ("DELETE /api/agents/{agent_id}/memories/{memory_id}", Serves::Own(MemoriesWrite)),
    ("PATCH /api/agents/{agent_id}/memories/{memory_id}", Serves::Own(MemoriesWrite)),
    ("DELETE /api/agents/{agent_id}/memories/all/{room_id}", Serves::Own(MemoriesWrite)),
    ("GET /api/agents/{agent_id}/rooms/{room_id}/memories", Serves::Own(MemoriesRead)),
    ("GET /api/memory/agents/{agent_id}/documents", Serves::Own(MemoriesRead)),
    ("POST /api/memory/agents/{agent_id}/documents", Serves::Own(MemoriesWrite)),
    ("GET /api/memory/agents/{agent_id}/documents/{document_id}", Serves::Own(MemoriesRead)),
    ("DELETE /api/memory/agents/{agent_id}/documents/{document_id}", Serves::Own(MemoriesWrite)),
    ("GET /api/agents/{agent_id}/rooms", Serves::Own(MemoriesRead)),
    ("POST /api/agents/{agent_id}/rooms", Serves::Own(MemoriesWrite)),
    ("GET /api/agents/{agent_id}/rooms/{room_id}", Serves::Own(MemoriesRead)),
    ("DELETE /api/agents/{agent_id}/rooms/{room_id}", Serves::Own(MemoriesWrite)),
    ("PATCH /api/agents/{agent_id}/rooms/{room_id}", Serves::Own(MemoriesWrite)),
    ("POST /api/memory/groups/{server_id}", Serves::Own(MemoriesWrite)),
    ("DELETE /api/memory/groups/{server_id}", Serves::Own(MemoriesWrite)),
    ("DELETE /api/memory/groups/{server_id}/memories", Serves::Own(MemoriesWrite)),
    ("GET /api/messaging/message-server/current", Serves::Alike(MessagesRead)),
    ("GET /api/messaging/central-servers", Serves::Apart(MessagesRead)),
    ("POST /api/messaging/central-servers", Serves::Apart(MessagesWrite)),
    ("GET /api/messaging/central-servers/{server_id}", Serves::Own(MessagesRead)),
    ("DELETE /api/messaging/central-servers/{server_id}", Serves::Own(MessagesWrite)),
    ("PATCH /api/messaging/central-servers/{server_id}", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/central-servers/{server_id}/channels", Serves::Own(MessagesRead)),
    ("POST /api/messaging/central-servers/{server_id}/sync-channels", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/central-servers/{server_id}/agents", Serves::Own(AgentsRead)),
    ("POST /api/messaging/central-servers/{server_id}/agents", Serves::Own(AgentsWrite)),
    ("DELETE /api/messaging/central-servers/{server_id}/agents/{agent_id}", Serves::Own(AgentsWrite)),
    ("GET /api/messaging/agents/{agent_id}/servers", Serves::Own(AgentsRead)),
    ("POST /api/messaging/agents/{agent_id}/servers/{server_id}", Serves::Own(AgentsWrite)),
    ("POST /api/messaging/central-channels", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/dm-channel", Serves::Apart(MessagesWrite)),
    ("GET /api/messaging/central-channels/{channel_id}", Serves::Own(MessagesRead)),
    ("DELETE /api/messaging/central-channels/{channel_id}", Serves::Own(MessagesWrite)),
    ("PATCH /api/messaging/central-channels/{channel_id}", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/central-channels/{channel_id}/participants", Serves::Own(MessagesRead)),
    ("GET /api/messaging/central-channels/{channel_id}/agents", Serves::Own(MessagesRead)),
    ("POST /api/messaging/central-channels/{channel_id}/agents", Serves::Own(MessagesWrite)),
    ("DELETE /api/messaging/central-channels/{channel_id}/agents/{agent_id}", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/central-channels/{channel_id}/messages", Serves::Own(MessagesRead)),
    ("POST /api/messaging/central-channels/{channel_id}/messages", Serves::Own(MessagesWrite)),
    ("DELETE /api/messaging/central-channels/{channel_id}/messages", Serves::Own(MessagesWrite)),
    ("DELETE /api/messaging/central-channels/{channel_id}/messages/{message_id}", Serves::Own(MessagesWrite)),
    ("POST /api/messaging/central-channels/{channel_id}/generate-title", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/messages/{message_id}", Serves::Own(MessagesRead)),
    ("PATCH /api/messaging/messages/{message_id}", Serves::Own(MessagesWrite)),
    ("POST /api/messaging/messages/search", Serves::Apart(MessagesRead)),
    ("POST /api/messaging/submit", Serves::Own(MessagesWrite)),
    ("POST /api/messaging/action", Serves::Own(MessagesWrite)),
    ("POST /api/messaging/ingest-external", Serves::Own(MessagesWrite)),
    ("POST /api/messaging/complete", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/sessions", Serves::Apart(MessagesRead)),
    ("POST /api/messaging/sessions", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/sessions/health", Serves::Apart(MessagesRead)),
    ("GET /api/messaging/sessions/{session_id}", Serves::Own(MessagesRead)),
    ("DELETE /api/messaging/sessions/{session_id}", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/sessions/{session_id}/messages", Serves::Own(MessagesRead)),
    ("POST /api/messaging/sessions/{session_id}/messages", Serves::Own(MessagesWrite)),
    ("POST /api/messaging/sessions/{session_id}/renew", Serves::Own(MessagesWrite)),
    ("PATCH /api/messaging/sessions/{session_id}/timeout", Serves::Own(MessagesWrite)),
    ("POST /api/messaging/sessions/{session_id}/heartbeat", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/jobs", Serves::Apart(MessagesRead)),
    ("POST /api/messaging/jobs", Serves::Own(MessagesWrite)),
    ("GET /api/messaging/jobs/health", Serves::Apart(MessagesRead)),
    ("GET /api/messaging/jobs/{job_id}", Serves::Own(MessagesRead)),
    ("GET /api/messaging/central-channels/{channel_id}/events", Serves::Own(MessagesRead)),
    ("POST /api/media/upload", Serves::Own(MessagesWrite)),
    ("POST /api/media/agents/{agent_id}/upload-media", Serves::Own(MessagesWrite)),
    ("POST /api/media/channels/{channel_id}/upload-media", Serves::Own(MessagesWrite)),
    ("POST /api/messaging/central-channels/{channel_id}/upload-media", Serves::Own(MessagesWrite)),
    // Whoever knows the name of a file, which nobody can guess, may have it: pages show pictures without a key.
    ("GET /media/uploads/agents/{agent_id}/{filename}", Serves::Anyone),
    ("GET /media/uploads/channels/{channel_id}/{filename}", Serves::Anyone),
    ("GET /media/generated/{agent_id}/{filename}", Serves::Anyone),
    ("POST /api/audio/transcribe", Serves::Own(MessagesWrite)),
    ("POST /api/audio/{agent_id}/transcriptions", Serves::Own(MessagesWrite)),
    ("POST /api/audio/{agent_id}/audio-messages", Serves::Own(MessagesWrite)),
    ("POST /api/audio/generate", Serves::Own(MessagesWrite)),
    ("POST /api/audio/{agent_id}/speech/generate", Serves::Own(MessagesWrite)),
    ("POST /api/audio/{agent_id}/audio-messages/synthesize", Serves::Own(MessagesWrite)),
    ("POST /api/audio/{agent_id}/speech", Serves::Own(MessagesWrite)),
    ("POST /api/audio/{agent_id}/speech/conversation", Serves::Own(MessagesWrite)),
    ("GET /api/server/ping", Serves::Known),
    ("GET /api/server/status", Serves::Alike(SystemRead)),
    ("GET /api/server/health", Serves::Alike(SystemRead)),
    ("GET /api/system/status", Serves::Alike(SystemRead)),
    ("GET /metrics", Serves::Nearby),
    ("GET /health", Serves::Anyone),
    ("GET /healthz", Serves::Anyone),
    ("GET /api/server/hello", Serves::Known),
    ("GET /api/system/version", Serves::Known),
    ("GET /api/system/config", Serves::Known),
    ("GET /api/server/debug/servers", Serves::Apart(MessagesRead)),
    ("GET /api/server/logs", Serves::Owner),
    ("POST /api/server/logs", Serves::Owner),
    ("DELETE /api/server/logs", Serves::Owner),
    ("GET /api/server/logs/stream", Serves::Owner),
    ("GET /api/system/environment", Serves::Owner),
    ("POST /api/system/environment", Serves::Owner),
    ("POST /api/server/stop", Serves::Owner),
    ("POST /api/secrets/rotate", Serves::Owner),
    ("GET /api/keys", Serves::Owner),
    ("POST /api/keys", Serves::Owner),
    ("DELETE /api/keys/{key_id}", Serves::Owner),
    // A key may come later than the request that opens a socket; what the events allow is below.
    ("GET /socket.io", Serves::Anyone),
    ("POST /socket.io", Serves::Anyone),
    ("GET /api/tee/status", Serves::Alike(SystemRead)),
    ("POST /api/tee/attestation", Serves::Alike(SystemRead)),
    ("GET /api/tee/agents", Serves::Apart(AgentsRead)),
    ("GET /api/tee/agents/{agent_id}", Serves::Own(AgentsRead)),
    ("POST /api/tee/logs", Serves::Own(AgentsRead)),
];

/// Every event of Socket.IO by which a client asks for something.
pub const EVENTS: &[(&str, Serves)] = &[
    ("1", Serves::Own(MessagesRead)),
    ("join", Serves::Own(MessagesRead)),
    ("message 1", Serves::Own(MessagesRead)),
    ("leave", Serves::Alike(MessagesRead)),
    ("2", Serves::Own(MessagesWrite)),
    ("message 2", Serves::Own(MessagesWrite)),
    ("subscribe_logs", Serves::Owner),
    ("unsubscribe_logs", Serves::Alike(MessagesRead)),
    ("update_log_filters", Serves::Alike(MessagesRead)),
];

/// What is decided of an operation.
pub fn of_operation(operation: &str) -> Option<Serves> {
    OPERATIONS.iter().find(|(name, _)| *name == operation).map(|(_, serves)| *serves)
}

/// What is decided of an event.
pub fn of_event(event: &str) -> Option<Serves> {
    EVENTS.iter().find(|(name, _)| *name == event).map(|(_, serves)| *serves)
}

/// Operations and events of which nothing is decided, and decisions about what there is not.
pub fn undecided() -> Vec<String> {
    let operations = super::operations();
    let missing = operations.iter().filter(|operation| of_operation(operation).is_none());
    let missing = missing.map(|operation| format!("{operation}: nothing is decided"));
    let gone = OPERATIONS.iter().filter(|(name, _)| !operations.iter().any(|operation| operation == name));
    let gone = gone.map(|(name, _)| format!("{name}: decided, and there is no such operation"));
    let events =
        realtime::EVENTS.iter().filter(|event| of_event(event).is_none()).map(|event| format!("event {event}: nothing is decided"));
    let unknown = EVENTS.iter().filter(|(name, _)| !realtime::EVENTS.contains(name));
    let unknown = unknown.map(|(name, _)| format!("event {name}: decided, and there is no such event"));
    missing.chain(gone).chain(events).chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn something_is_decided_of_every_operation_and_every_event() {
        assert_eq!(super::undecided(), Vec::<String>::new());
    }
}

//! Who asks, and what they may do. Plain data: `auth` verifies credentials, services take the result.

use serde::{Deserialize, Serialize};

/// What a route or an event lets its caller do. A caller without it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// See agents, their logs and their runs.
    AgentsRead,
    /// Create, change, start, stop and delete agents.
    AgentsWrite,
    /// See channels, messages and events.
    MessagesRead,
    /// Post messages; create and delete channels.
    MessagesWrite,
    /// See how the server is doing.
    SystemRead,
    /// Read the server's log, see and change its settings, stop it.
    SystemManage,
}

/// The one who asks, after verification.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    subject: Subject,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Owner,
    Anyone,
}

impl Caller {
    /// Whoever holds the master key, or sits at the machine of a server without one.
    pub const fn owner() -> Self {
        Self { subject: Subject::Owner }
    }

    /// Whoever reaches a server without a key that was told to let everybody in: the same, but for the server itself.
    pub const fn anyone() -> Self {
        Self { subject: Subject::Anyone }
    }

    /// Whether the caller may use this permission.
    pub const fn may(&self, permission: Permission) -> bool {
        match self.subject {
            Subject::Owner => true,
            Subject::Anyone => !matches!(permission, Permission::SystemManage),
        }
    }

    /// Whether the caller may let an agent of this server speak, on the doors that allow it at all.
    pub const fn may_speak_as_agent(&self) -> bool {
        match self.subject {
            Subject::Owner | Subject::Anyone => true,
        }
    }

    /// The name under which the caller's idempotency keys are kept.
    pub const fn name(&self) -> &'static str {
        match self.subject {
            // Without a key they are one and the same person, at this machine or another.
            Subject::Owner | Subject::Anyone => "owner",
        }
    }
}

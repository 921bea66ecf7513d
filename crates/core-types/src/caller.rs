//! Who asks, and what they may do. Plain data: `auth` verifies credentials, services take the result.

use std::sync::Arc;

use derive_more::Display;

use crate::{EntityId, KeyId, MessageServerId};

/// What a route or an event lets its caller do. A caller without it is refused. The text is the scope of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum Permission {
    /// See agents, their logs and their runs.
    #[display("agents:read")]
    AgentsRead,
    /// Create, change, start, stop and delete agents.
    #[display("agents:write")]
    AgentsWrite,
    /// See channels, messages and events.
    #[display("messages:read")]
    MessagesRead,
    /// Post messages; create and delete channels.
    #[display("messages:write")]
    MessagesWrite,
    /// See and search what agents remember.
    #[display("memories:read")]
    MemoriesRead,
    /// Change and delete what agents remember; give them documents; create and delete their rooms.
    #[display("memories:write")]
    MemoriesWrite,
    /// See how the server is doing.
    #[display("system:read")]
    SystemRead,
    /// Read the server's log, see and change its settings, make keys, stop it. The owner's alone.
    #[display("system:manage")]
    SystemManage,
}

impl Permission {
    /// All that a key may be given: everything that is not the owner's alone.
    pub const GRANTABLE: [Self; 7] = [
        Self::AgentsRead,
        Self::AgentsWrite,
        Self::MessagesRead,
        Self::MessagesWrite,
        Self::MemoriesRead,
        Self::MemoriesWrite,
        Self::SystemRead,
    ];

    /// The permission of a scope, where a key may have it.
    pub fn of_scope(scope: &str) -> Option<Self> {
        Self::GRANTABLE.into_iter().find(|permission| permission.to_string() == scope)
    }
}

/// Whose things are kept apart from everybody else's: a name of 1 to [`Tenant::MAX_BYTES`] bytes. What the owner made has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The most bytes of a tenant's name.
    pub const MAX_BYTES: usize = 255;

    /// The tenant of this name; `None` where it is empty or too long.
    pub fn new(name: &str) -> Option<Self> {
        (1..=Self::MAX_BYTES).contains(&name.len()).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many of so many one tenant may hold, so that there are some for others: a quarter.
    pub const fn part_of(most: usize) -> usize {
        most.div_ceil(4)
    }
}

/// How far a tenant's sight reaches: to its own things, and to what it was let in on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Whose things are its own.
    pub tenant: Tenant,
    /// Message servers that it shares with others: it sees their channels and the agents that listen on them.
    pub servers: Vec<MessageServerId>,
    /// The one person that it is, where it is one: it speaks in that name only, and of shared things it sees the channels
    /// in which that person takes part.
    pub person: Option<EntityId>,
}

impl Reach {
    /// The message servers whose channels are all within reach.
    pub fn shared(&self) -> &[MessageServerId] {
        if self.person.is_some() { &[] } else { &self.servers }
    }
}

/// A credential of somebody who is not the owner, verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The key; `None` for a token that another issued.
    pub key: Option<KeyId>,
    /// What it lets its bearer do.
    pub permissions: Vec<Permission>,
    /// How far it reaches.
    pub reach: Reach,
    /// Until when it counts, in milliseconds of the Unix epoch; for ever where absent.
    pub expires_at: Option<i64>,
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
    Tenant(Arc<Credential>),
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

    /// Whoever shows this credential.
    pub const fn tenant(credential: Arc<Credential>) -> Self {
        Self { subject: Subject::Tenant(credential) }
    }

    /// Whether the caller may use this permission.
    pub fn may(&self, permission: Permission) -> bool {
        match &self.subject {
            Subject::Owner => true,
            Subject::Anyone => !matches!(permission, Permission::SystemManage),
            Subject::Tenant(credential) => credential.permissions.contains(&permission),
        }
    }

    /// How far the caller sees; `None` where everything is to be seen.
    pub fn reach(&self) -> Option<&Reach> {
        self.credential().map(|credential| &credential.reach)
    }

    /// Whose the things are that the caller makes.
    pub fn makes_for(&self) -> Option<Tenant> {
        self.reach().map(|reach| reach.tenant.clone())
    }

    /// What the caller showed; `None` for the owner and for anyone.
    pub fn credential(&self) -> Option<&Arc<Credential>> {
        match &self.subject {
            Subject::Owner | Subject::Anyone => None,
            Subject::Tenant(credential) => Some(credential),
        }
    }

    /// Whether the caller may let an agent of this server speak, on the doors that allow it at all.
    pub const fn may_speak_as_agent(&self) -> bool {
        match self.subject {
            Subject::Owner | Subject::Anyone => true,
            Subject::Tenant(_) => false,
        }
    }

    /// Whether the caller may speak in this person's name.
    pub fn may_speak_as(&self, author: EntityId) -> bool {
        self.reach().and_then(|reach| reach.person).is_none_or(|person| person == author)
    }

    /// The name under which the caller's idempotency keys are kept.
    pub fn name(&self) -> String {
        match &self.subject {
            // Without a key they are one and the same person, at this machine or another.
            Subject::Owner | Subject::Anyone => "owner".to_owned(),
            Subject::Tenant(credential) => format!("tenant:{}", credential.reach.tenant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_names_a_permission_and_none_is_the_owners() {
        for permission in Permission::GRANTABLE {
            assert_eq!(Permission::of_scope(&permission.to_string()), Some(permission));
        }
        for other in ["system:manage", "", "agents", "agents:read ", "AGENTS:READ"] {
            assert_eq!(Permission::of_scope(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_person_sees_no_shared_server_as_a_whole() {
        let server = MessageServerId::DEFAULT;
        let reach = |person| Reach { tenant: Tenant::new("t").unwrap(), servers: vec![server], person };
        assert_eq!(reach(None).shared(), [server]);
        assert_eq!(reach(Some(crate::ids::string_to_uuid("p").into())).shared(), []);
    }
}

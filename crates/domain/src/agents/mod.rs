//! Agents: create, change, start, stop, delete.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::{
    Added, Agent, AgentRepository, AgentService, AgentSummary, AgentView, CharacterLibrary, CreateAgent, CreatedAgent,
};
use core_types::bus::{BusEvent, EventBus, Topic};
use core_types::character::{self, Character, ParsedCharacter, TemplateEngine};
use core_types::error::chain;
use core_types::memory::AgentPlane;
use core_types::secrets::{ElizaOsSecret, SealedSecret, Secret, SecretRepository, Vault};
use core_types::{AgentId, Caller, Clock, InvalidCode, JsonObject, Permission, ServiceError, ServiceResult, Tenant, Thing};
use icu_collator::options::CollatorOptions;
use icu_collator::{Collator, CollatorBorrowed};
use serde_json::Value;

use crate::knowledge::Knowledge;
use crate::permission::{Access, own_name, require};
use crate::places::LongReads;
use crate::secrets::Sealing;
use crate::tell::tell;
use crate::whole::whole;

pub(crate) mod bounds;
mod patch;
mod plane;

/// How often an update is tried again when another one came in between.
const UPDATE_TRIES: usize = 100;

/// How many agents are asked for at once where all are gone through.
const PORTION: u32 = 500;

/// Keeps agents and their secrets.
#[derive(Clone)]
pub struct Agents {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Where their sealed secrets are read.
    pub secrets: Arc<dyn SecretRepository>,
    /// Seals secrets.
    pub vault: Arc<dyn Vault>,
    /// Has the rotation of its keys wait until they are kept.
    pub sealing: Sealing,
    /// Reads characters that are named by path.
    pub library: Arc<dyn CharacterLibrary>,
    /// Says which templates of characters cannot be filled in.
    pub templates: Arc<dyn TemplateEngine>,
    /// Takes in what characters know.
    pub knowledge: Arc<Knowledge>,
    /// Who is told of changes.
    pub bus: Arc<dyn EventBus>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The places that lists take.
    pub reads: LongReads,
}

#[async_trait]
impl AgentService for Agents {
    async fn list(&self, caller: &Caller) -> ServiceResult<Vec<AgentSummary>> {
        require(caller, Permission::AgentsRead)?;
        let _place = self.reads.place(caller).await?;
        let mut agents = self.agents.list(caller.reach()).await?;
        let collator = name_order()?;
        agents.sort_by(|a, b| b.running.cmp(&a.running).then_with(|| collator.compare(&a.name, &b.name)).then(a.id.cmp(&b.id)));
        Ok(agents)
    }

    async fn get(&self, caller: &Caller, id: AgentId) -> ServiceResult<AgentView> {
        require(caller, Permission::AgentsRead)?;
        self.access.to(caller, Wanted::Agent(id)).await?;
        let agent = self.agents.find(id).await?.ok_or(ServiceError::NotFound(Thing::Agent))?;
        if caller.reach().is_some_and(|reach| agent.owner.as_ref() != Some(&reach.tenant)) {
            return Ok(AgentView { agent: Agent { character: introduced(agent.character), ..agent }, secret_names: Vec::new() });
        }
        self.view(agent).await
    }

    async fn create(&self, caller: &Caller, request: CreateAgent) -> ServiceResult<CreatedAgent> {
        require(caller, Permission::AgentsWrite)?;
        let value = match request {
            CreateAgent::Character(value) => value,
            CreateAgent::Path(_) if caller.reach().is_some() => {
                return Err(ServiceError::forbidden(
                    "The characters of this server are its owner's: send the character itself as characterJson",
                ));
            }
            CreateAgent::Path(path) => self.read_character(&path).await?,
        };
        let bio = value.get("bio").map_or(Ok(()), character::check_bio);
        let checked = bio.and_then(|()| character::parse(&value));
        let parsed = checked.map_err(|error| ServiceError::invalid(InvalidCode::Create, error.to_string()))?;
        self.check_templates(InvalidCode::Create, value.get("templates"), &JsonObject::new()).await?;
        let (agents, owner) = (self.clone(), caller.makes_for());
        whole(async move { agents.store(parsed, owner).await }).await
    }

    async fn update(&self, caller: &Caller, id: AgentId, patch: JsonObject) -> ServiceResult<AgentView> {
        require(caller, Permission::AgentsWrite)?;
        self.access.to(caller, Wanted::OwnAgent(id)).await?;
        let agents = self.clone();
        whole(async move { agents.change(id, &patch).await }).await
    }

    async fn remove(&self, caller: &Caller, id: AgentId) -> ServiceResult<()> {
        require(caller, Permission::AgentsWrite)?;
        self.access.to(caller, Wanted::OwnAgent(id)).await?;
        let (agents, bus, now) = (Arc::clone(&self.agents), Arc::clone(&self.bus), self.clock.now());
        whole(async move {
            let ends = agents.remove(id, now).await?.ok_or(ServiceError::NotFound(Thing::Agent))?;
            tell(bus.as_ref(), ends).await;
            bus.publish(Topic::Work, BusEvent::AgentChanged(id)).await;
            Ok(())
        })
        .await
    }

    async fn start(&self, caller: &Caller, id: AgentId) -> ServiceResult<Agent> {
        require(caller, Permission::AgentsWrite)?;
        self.access.to(caller, Wanted::OwnAgent(id)).await?;
        let agents = self.clone();
        whole(async move { agents.begin(id).await }).await
    }

    async fn stop(&self, caller: &Caller, id: AgentId) -> ServiceResult<Agent> {
        require(caller, Permission::AgentsWrite)?;
        self.access.to(caller, Wanted::OwnAgent(id)).await?;
        let agents = self.clone();
        whole(async move {
            // As with elizaOS, also where another has stopped it a moment ago.
            if !agents.end(id).await? {
                return Err(ServiceError::NotFound(Thing::Agent));
            }
            agents.agents.find(id).await?.ok_or(ServiceError::NotFound(Thing::Agent))
        })
        .await
    }

    async fn restart(&self, caller: &Caller, id: AgentId) -> ServiceResult<Agent> {
        require(caller, Permission::AgentsWrite)?;
        self.access.to(caller, Wanted::OwnAgent(id)).await?;
        let agents = self.clone();
        whole(async move { agents.begin_anew(id).await }).await
    }
}

/// Takes in the files that a character names. One agent's that cannot be taken in do not keep another's from it.
async fn take_in_files(knowledge: Arc<Knowledge>, id: AgentId) {
    if let Err(error) = knowledge.follow_files(id).await {
        log::error!("agent {id}: the files that its character knows are not taken in yet: {}", chain(&error));
    }
}

impl Agents {
    /// Refuses templates that cannot be filled in. Where they are long it takes a while to tell.
    async fn check_templates(&self, code: InvalidCode, given: Option<&Value>, has: &JsonObject) -> ServiceResult<()> {
        let Some(given) = given.cloned() else { return Ok(()) };
        let (has, engine) = (has.clone(), Arc::clone(&self.templates));
        let checking = tokio::task::spawn_blocking(move || character::check_templates(&given, &has, engine.as_ref()));
        let checked = checking.await.map_err(|failed| ServiceError::Internal(Box::new(failed)))?;
        checked.map_err(|error| ServiceError::invalid(code, error.to_string()))
    }

    async fn change(&self, id: AgentId, patch: &JsonObject) -> ServiceResult<AgentView> {
        for _ in 0..UPDATE_TRIES {
            let stored = self.agents.find(id).await?.ok_or(ServiceError::NotFound(Thing::Agent))?;
            let read_at = stored.updated_at;
            let change = patch::apply(&stored, patch, self.vault.as_ref())?;
            self.check_templates(InvalidCode::Update, patch.get("templates"), &stored.character.templates).await?;
            if change.is_empty() {
                return self.view(change.agent).await;
            }
            // Whoever changes them meanwhile makes a newer version of the agent, and then all of this is done anew.
            let kept = if change.touches_secrets() { self.secrets.list(id).await? } else { Vec::new() };
            let sealing = self.sealing.begin().await;
            let secrets = change.seal_secrets(&kept, self.vault.as_ref())?;
            let mut agent = change.agent;
            agent.updated_at = self.clock.now().max(read_at.plus_millis(1));
            let is_replaced = self.agents.replace(agent.clone(), read_at, secrets).await?;
            drop(sealing);
            if is_replaced {
                let knows_else = agent.running && agent.character.knowledge != stored.character.knowledge;
                // It may have megabytes, and what follows may wait.
                drop(stored);
                if knows_else {
                    self.follow(&agent).await;
                    self.follow_files(id);
                }
                self.bus.publish(Topic::Work, BusEvent::AgentChanged(id)).await;
                return self.view(agent).await;
            }
        }
        Err(ServiceError::conflict("The agent is being changed by others; try again"))
    }

    async fn begin(&self, id: AgentId) -> ServiceResult<Agent> {
        let own = self.prepare(id).await?;
        let started = self.agents.start(id, own, self.clock.now()).await?;
        self.begun(started, BusEvent::AgentChanged(id)).await
    }

    async fn begin_anew(&self, id: AgentId) -> ServiceResult<Agent> {
        let own = self.prepare(id).await?;
        let started = self.agents.restart(id, own, self.clock.now()).await?;
        self.begun(started, BusEvent::AgentRestarted(id)).await
    }

    /// Brings up to date what an agent knows before it starts. Returns what it has of its own.
    async fn prepare(&self, id: AgentId) -> ServiceResult<AgentPlane> {
        let agent = self.agents.find(id).await?.ok_or(ServiceError::NotFound(Thing::Agent))?;
        self.knowledge.follow(&agent).await?;
        Ok(plane::own(&agent))
    }

    async fn begun(&self, started: Option<Agent>, told: BusEvent) -> ServiceResult<Agent> {
        let agent = started.ok_or(ServiceError::NotFound(Thing::Agent))?;
        self.follow_files(agent.id);
        self.bus.publish(Topic::Work, told).await;
        Ok(agent)
    }

    /// Returns whether it ran.
    async fn end(&self, id: AgentId) -> ServiceResult<bool> {
        let ran = self.agents.stop(id, self.clock.now()).await?.ok_or(ServiceError::NotFound(Thing::Agent))?;
        self.bus.publish(Topic::Work, BusEvent::AgentChanged(id)).await;
        Ok(ran)
    }

    /// After a change that is stored: what fails here is made good at the next start of the agent or the server.
    async fn follow(&self, agent: &Agent) {
        if let Err(error) = self.knowledge.follow(agent).await {
            log::error!("agent {}: what its character knows is not taken in yet: {}", agent.id, chain(&error));
        }
    }

    /// The files that a character names are taken in by and by: there may be many.
    fn follow_files(&self, id: AgentId) {
        tokio::spawn(take_in_files(Arc::clone(&self.knowledge), id));
    }

    /// After a start of the server: keeps as secrets what was stored as a setting before it counted as one, and brings up to date what
    /// the agents that run know of their characters. One that cannot be read does not keep the others from it.
    pub async fn follow_all(&self) -> ServiceResult<()> {
        let mut last = None;
        loop {
            let ids = self.agents.ids_after(last, PORTION).await?;
            if ids.is_empty() {
                return Ok(());
            }
            last = ids.last().copied();
            for id in ids {
                match self.agents.find(id).await {
                    Ok(Some(agent)) => self.bring_up_to_date(agent).await,
                    Ok(None) => {}
                    Err(error) => log::error!("agent {id} cannot be read and is left as it is: {}", chain(&error)),
                }
            }
        }
    }

    async fn bring_up_to_date(&self, mut agent: Agent) {
        if !character::loose_secrets(&mut agent.character.settings).is_empty() {
            self.keep_as_secrets(agent.id).await;
        }
        if agent.running {
            self.follow(&agent).await;
            take_in_files(Arc::clone(&self.knowledge), agent.id).await;
        }
    }

    /// Any update does that, also one that changes nothing else.
    async fn keep_as_secrets(&self, id: AgentId) {
        match self.update(&Caller::owner(), id, JsonObject::new()).await {
            Ok(_) | Err(ServiceError::NotFound(_)) => {}
            Err(error) => log::error!("agent {id}: secrets among its settings stay there until it is changed: {}", chain(&error)),
        }
    }

    async fn view(&self, agent: Agent) -> ServiceResult<AgentView> {
        let secret_names = self.secrets.list(agent.id).await?.into_iter().map(|secret| secret.name).collect();
        Ok(AgentView { agent, secret_names })
    }

    async fn read_character(&self, path: &str) -> ServiceResult<Value> {
        let read = self.library.read(path).await.map_err(|error| ServiceError::invalid(InvalidCode::Create, error.to_string()))?;
        // elizaOS takes the first character of a list.
        Ok(match read {
            Value::Array(characters) => characters.into_iter().next().unwrap_or(Value::Null),
            other => other,
        })
    }

    async fn store(&self, parsed: ParsedCharacter, owner: Option<Tenant>) -> ServiceResult<CreatedAgent> {
        let ParsedCharacter { id, character, mut secrets, mut warnings } = parsed;
        // Ids of agents and of people are of one kind: a tenant that chose one could take the place of somebody else's person.
        if owner.is_some() && id.is_some() {
            return Err(ServiceError::invalid(InvalidCode::Create, "The server gives a tenant's agents their ids: leave `id` out"));
        }
        let id = id.unwrap_or_else(|| AgentId::of_name(&own_name(owner.as_ref(), &character.name)));
        for (name, secret) in &mut secrets {
            warnings.extend(move_in(self.vault.as_ref(), name, secret));
        }
        let sealing = self.sealing.begin().await;
        let sealed = seal_all(self.vault.as_ref(), id, &secrets)?;
        let bounded = bounds::check_character(&character, None).and_then(|()| bounds::check_secrets(&sealed, &[]));
        bounded.map_err(|message| ServiceError::invalid(InvalidCode::Create, message))?;
        let now = self.clock.now();
        let agent = Agent {
            id,
            character: character.clone(),
            enabled: true,
            running: false,
            owner: owner.clone(),
            created_at: now,
            updated_at: now,
        };
        let added = self.agents.add(agent, sealed).await?;
        drop(sealing);
        let existing = matches!(added, Added::Existing(_));
        if let Added::Existing(other) = &added
            && owner.is_some()
            && other.owner != owner
        {
            return Err(ServiceError::conflict("An agent of this id exists already"));
        }
        let secret_names = secrets.into_iter().map(|(name, _)| name).collect();
        Ok(CreatedAgent { id, character, secret_names, agent: added.into_inner(), existing, warnings })
    }
}

/// Case and accents count only between names that are equal without them, as in elizaOS's list.
fn name_order() -> ServiceResult<CollatorBorrowed<'static>> {
    Collator::try_new(icu_collator::CollatorPreferences::default(), CollatorOptions::default())
        .map_err(|error| ServiceError::Internal(Box::new(error)))
}

/// Takes a secret out of elizaOS's form, if it is in it. What cannot be opened is kept as it came, with a warning.
fn move_in(vault: &dyn Vault, name: &str, secret: &mut Secret) -> Option<String> {
    match vault.read_elizaos(secret) {
        ElizaOsSecret::Plain => None,
        ElizaOsSecret::Opened(opened) => {
            *secret = opened;
            None
        }
        ElizaOsSecret::Locked => Some(format!(
            "the secret `{name}` looks as if elizaOS had encrypted it with a SECRET_SALT that is not known here; it was kept as it came"
        )),
    }
}

fn seal_all(vault: &dyn Vault, agent: AgentId, secrets: &[(String, Secret)]) -> ServiceResult<Vec<SealedSecret>> {
    secrets.iter().map(|(name, secret)| vault.seal(agent, name, secret).map_err(|error| ServiceError::Internal(Box::new(error)))).collect()
}

/// What those learn of an agent who may talk with it and do not own it: how it introduces itself, and not what it is told and knows.
fn introduced(character: Character) -> Character {
    let Character { name, username, bio, topics, adjectives, mut settings, .. } = character;
    settings.retain(|name, _| name == "avatar");
    Character { name, username, bio, topics, adjectives, settings, ..Character::default() }
}

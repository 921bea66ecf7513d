//! The task of one session: takes what its client sends, in order, and does what the protocol and the client ask for.

use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use actix_web::ResponseError;
use actix_web::http::StatusCode;
use auth::{Class, Client};
use core_types::error::chain;
use core_types::system::LogReader;
use core_types::{Caller, ChannelId, EntityId, Permission, ServiceError, ServiceResult};
use parking_lot::Mutex;
use realtime::{Call, Closed, Frame, Output, Session, Via, engine};
use serde_json::Value;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use crate::app::State;
use crate::errors::{ApiError, Code};
use crate::holdings::{Part, Stock};
use crate::limits;
use crate::rates;
use crate::sockets::hub::{Hub, SessionSlot};
use crate::sockets::outbox::Outbox;
use crate::sockets::parcel::Account;
use crate::sockets::rooms::{CatchUp, Listener, Step, Turns};
use crate::wire::manage::LogWish;
use crate::wire::sockets::{greeting, log_entry};

/// What a session's transports and its task share.
pub(crate) struct Link {
    /// What waits for the client.
    pub(crate) outbox: Arc<Outbox>,
    /// What the client sent goes here.
    pub(crate) inputs: mpsc::Sender<Input>,
    /// Ends a poll that waits.
    pub(crate) end_poll: Notify,
    /// Whether a poll is being answered.
    pub(crate) polling: AtomicBool,
    /// Whether a payload is being posted.
    pub(crate) posting: AtomicBool,
    carrier: AtomicU8,
    /// How many websockets have knocked.
    pub(crate) knocks: AtomicU64,
    /// Who the client is, once it has shown that.
    caller: Mutex<Option<Caller>>,
    /// How many more bytes of packets may wait until they are looked at.
    unseen: Arc<Semaphore>,
}

/// Which transport takes what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Carrier {
    /// Polls.
    Polls = 0,
    /// Polls, which should not wait: a websocket is about to take over.
    Upgrading = 1,
    /// A websocket.
    Websocket = 2,
}

impl Link {
    pub(crate) fn new(via: Via, inputs: mpsc::Sender<Input>) -> Self {
        let carrier = if via == Via::Websocket { Carrier::Websocket } else { Carrier::Polls };
        Self {
            outbox: Arc::default(),
            inputs,
            end_poll: Notify::new(),
            polling: AtomicBool::new(false),
            posting: AtomicBool::new(false),
            carrier: AtomicU8::new(carrier as u8),
            knocks: AtomicU64::new(0),
            caller: Mutex::new(None),
            unseen: Arc::new(Semaphore::new(limits::SOCKET_INPUT_BYTES)),
        }
    }

    /// The client is this one. What waits for it is counted among this.
    pub(crate) fn known(&self, caller: &Caller, outgoing: &Arc<Stock>) {
        self.outbox.known(Account::new(outgoing, caller));
        *self.caller.lock() = Some(caller.clone());
    }

    /// Who the client is, if it has shown that.
    pub(crate) fn caller(&self) -> Option<Caller> {
        self.caller.lock().clone()
    }

    /// Hands on a packet, with the part that it is of what is counted, once there is room for it. Says whether the session goes on.
    pub(crate) async fn hand_on(&self, packet: engine::Packet, via: Via, part: Option<Arc<Part>>) -> bool {
        let bytes = u32::try_from(packet.size().min(limits::SOCKET_INPUT_BYTES)).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.unseen).acquire_many_owned(bytes).await else { return false };
        self.inputs.send(Input::Packet(packet, via, Weight { _permit: permit, _part: part })).await.is_ok()
    }

    pub(crate) fn carrier(&self) -> Carrier {
        match self.carrier.load(Ordering::Acquire) {
            0 => Carrier::Polls,
            1 => Carrier::Upgrading,
            _ => Carrier::Websocket,
        }
    }

    fn carried_by(&self, carrier: Carrier) {
        self.carrier.store(carrier as u8, Ordering::Release);
    }
}

/// What a transport tells the task of its session.
pub(crate) enum Input {
    /// A packet came.
    Packet(engine::Packet, Via, Weight),
    /// The websocket of this number knocks; what is for it alone goes here.
    Knock(u64, mpsc::Sender<Direct>),
    /// What came is not of the protocol.
    Malformed,
    /// The websocket of this number is gone.
    Lost(u64),
}

/// What a packet takes of what may wait, until all is done that it asks for.
pub(crate) struct Weight {
    _permit: OwnedSemaphorePermit,
    /// Packets of one payload have it together.
    _part: Option<Arc<Part>>,
}

/// What is for a websocket alone that knocks.
pub(crate) enum Direct {
    /// Send this at once.
    Frame(Frame),
    /// Send what waits for the client from now on.
    TakeOver,
}

/// Who knocked, before its client has connected.
pub(crate) struct Knocker {
    /// Who it is, where the request showed it, or where no key is needed.
    pub(crate) caller: Option<Caller>,
    /// Whose requests it counts as.
    pub(crate) client: Option<Client>,
}

/// Who is connected.
pub(crate) struct Identity {
    pub(crate) caller: Caller,
    pub(crate) client: Option<Client>,
    /// In whose name the socket speaks.
    pub(crate) entity: EntityId,
    /// Whether that is settled. One that came without a name says so with the first thing that it asks for.
    pub(crate) settled: bool,
    /// What others may know the socket by.
    pub(crate) socket_id: String,
}

/// A websocket that would take over from polls.
struct Candidate {
    number: u64,
    outbox: mpsc::Sender<Direct>,
    /// Until when it must have done so: polls do not wait meanwhile, and no other may knock.
    until: Instant,
}

/// A session and everything that ends with it.
pub(crate) struct Driver {
    pub(crate) state: State,
    pub(crate) hub: Arc<Hub>,
    pub(crate) link: Arc<Link>,
    slot: SessionSlot,
    session: Session,
    inputs: mpsc::Receiver<Input>,
    knocker: Knocker,
    pub(crate) identity: Option<Identity>,
    /// The websocket that knocks.
    candidate: Option<Candidate>,
    /// The websocket that carries the session, where one does.
    carrier: u64,
    pub(crate) listener: Listener,
    pub(crate) channels: HashSet<ChannelId>,
    /// What it has missed in some of them and reads by itself, of one after the other, so that there is before it what is of one.
    pub(crate) missed: VecDeque<CatchUp>,
    pub(crate) log: Option<(Box<dyn LogReader>, LogWish)>,
}

impl Driver {
    /// A session in its slot, whose client's packets come by `inputs`.
    pub(crate) fn new(state: State, slot: SessionSlot, session: Session, inputs: mpsc::Receiver<Input>, knocker: Knocker) -> Self {
        let link = slot.link();
        if let Some(caller) = &knocker.caller {
            link.known(caller, &state.outgoing);
        }
        let listener = Listener { key: slot.key(), outbox: Arc::clone(&link.outbox) };
        Self {
            hub: Arc::clone(&state.sockets),
            state,
            link,
            slot,
            session,
            inputs,
            knocker,
            identity: None,
            candidate: None,
            carrier: 0,
            listener,
            channels: HashSet::new(),
            missed: VecDeque::new(),
            log: None,
        }
    }

    /// Runs until the session is over.
    pub(crate) async fn run(mut self) {
        let mut closing = Box::pin(self.state.closing());
        let outbox = Arc::clone(&self.link.outbox);
        loop {
            let mut weight = None;
            let next = Instant::from_std(self.session.next_tick());
            let tick = sleep_until(self.candidate.as_ref().map_or(next, |candidate| candidate.until.min(next)));
            let outputs = tokio::select! {
                input = self.inputs.recv() => match input {
                    Some(Input::Packet(packet, via, of_packet)) => {
                        weight = Some(of_packet);
                        self.receive(packet, via).await
                    }
                    Some(Input::Knock(number, outbox)) => self.knock(number, outbox),
                    Some(Input::Malformed) => vec![Output::Close(Closed::Malformed(realtime::Malformed("a packet cannot be read")))],
                    Some(Input::Lost(number)) => self.lose(number),
                    None => vec![Output::Close(Closed::ByClient)],
                },
                () = tick => {
                    if self.is_dismissed() {
                        break;
                    }
                    if self.candidate.as_ref().is_some_and(|candidate| candidate.until <= Instant::now()) {
                        self.drop_candidate();
                    }
                    self.session.tick(Instant::now().into_std())
                }
                step = next_missed(&mut self.missed, &self.state.catch_ups) => {
                    self.caught_up(step);
                    Vec::new()
                }
                line = next_line(&mut self.log) => {
                    self.tell_line(line);
                    Vec::new()
                }
                _ = outbox.ended() => break,
                () = &mut closing => break,
            };
            let ends = self.perform(outputs).await.is_break();
            drop(weight);
            if ends {
                break;
            }
        }
    }

    /// A packet has come. What is long is read beside the worker, which others would wait for meanwhile.
    async fn receive(&mut self, packet: engine::Packet, via: Via) -> Vec<Output> {
        let now = Instant::now().into_std();
        if packet.size() <= limits::READ_AT_ONCE_BYTES || matches!(packet, engine::Packet::Binary(_)) {
            return self.session.receive(packet, via, now);
        }
        let mut session = std::mem::replace(&mut self.session, Session::over(now));
        let reading = spawn_blocking(move || {
            let outputs = session.receive(packet, via, now);
            (session, outputs)
        });
        match reading.await {
            Ok((session, outputs)) => {
                self.session = session;
                outputs
            }
            Err(failed) => {
                log::error!("a packet cannot be read: {failed}");
                vec![Output::Close(Closed::Malformed(realtime::Malformed("a packet cannot be read")))]
            }
        }
    }

    /// A websocket knocks. One that does while another does is sent away, by dropping what it waits for.
    fn knock(&mut self, number: u64, outbox: mpsc::Sender<Direct>) -> Vec<Output> {
        self.candidate.get_or_insert_with(|| Candidate { number, outbox, until: Instant::now() + limits::UPGRADE_TIME });
        Vec::new()
    }

    /// A websocket is gone.
    fn lose(&mut self, number: u64) -> Vec<Output> {
        if self.session.transport() == Via::Websocket && self.carrier == number {
            return vec![Output::Close(Closed::ByClient)];
        }
        if self.candidate.as_ref().is_some_and(|candidate| candidate.number == number) {
            self.drop_candidate();
        }
        Vec::new()
    }

    /// Goes on with polls.
    fn drop_candidate(&mut self) {
        self.candidate = None;
        self.session.forget_upgrade();
        self.link.carried_by(Carrier::Polls);
    }

    async fn perform(&mut self, outputs: Vec<Output>) -> ControlFlow<()> {
        for output in outputs {
            match output {
                Output::Send(frame) => self.send(frame),
                Output::Answer(frame) => {
                    self.link.carried_by(Carrier::Upgrading);
                    self.direct(Direct::Frame(frame));
                }
                Output::EndPoll => self.link.end_poll.notify_one(),
                Output::Upgraded => {
                    self.link.carried_by(Carrier::Websocket);
                    self.direct(Direct::TakeOver);
                    self.carrier = self.candidate.take().map_or(0, |candidate| candidate.number);
                }
                Output::Connect(auth) => self.connect(&auth)?,
                Output::Event(_) if self.is_dismissed() => return ControlFlow::Break(()),
                Output::Event(event) => {
                    let ack = event.ack;
                    match self.count() {
                        Ok(()) => {
                            if let Some(call) = Call::of(event) {
                                self.call(call, ack).await;
                            }
                        }
                        Err(error) => self.fail(ack, &error),
                    }
                }
                Output::Unreadable { ack, why } => {
                    let error = self.count().err();
                    self.fail(ack, &error.unwrap_or_else(|| ApiError::new(Code::InvalidJson, why.to_string())));
                }
                Output::Close(why) => {
                    log::debug!("a socket is closed: {why}");
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether what the client showed counts no longer.
    fn is_dismissed(&self) -> bool {
        self.identity.as_ref().is_some_and(|identity| !self.state.counts(&identity.caller))
    }

    /// Sends something to the client.
    pub(crate) fn send(&self, frame: Frame) {
        self.link.outbox.push(frame);
    }

    /// A websocket that does not take two frames is gone.
    fn direct(&self, direct: Direct) {
        if let Some(candidate) = &self.candidate {
            let _ = candidate.outbox.try_send(direct);
        }
    }

    /// Connects the client, or tells it why not. Whoever asks beyond its rate is told so, and sent away: a session is no place to guess on.
    fn connect(&mut self, auth: &Value) -> ControlFlow<()> {
        let identified = self.identify(auth).and_then(|identity| {
            self.slot.known(&identity.caller)?;
            self.link.known(&identity.caller, &self.state.outgoing);
            Ok(identity)
        });
        match identified {
            Ok(identity) => {
                let now = self.state.services.clock.now();
                let connected = self.session.accept(&identity.socket_id);
                self.send(connected);
                let [authenticated, established] = greeting(identity.entity, &identity.socket_id, now);
                self.send(authenticated);
                self.send(established);
                self.identity = Some(identity);
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.send(self.session.refuse(&error.to_string()));
                if error.status_code() == StatusCode::TOO_MANY_REQUESTS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
        }
    }

    /// Whose key the client shows as it connects; `None` where it shows none, or none that counts. A right key counts for its own name,
    /// and a wrong one where the client comes from, so that nobody is shut out by what others at the same place guess.
    fn shown(&self, auth: &Value) -> Result<Option<Caller>, ApiError> {
        let mut keys = ["apiKey", "token"].into_iter().filter_map(|name| auth.get(name)?.as_str()).peekable();
        if keys.peek().is_none() {
            return Ok(None);
        }
        let now = self.state.services.clock.now();
        let caller = keys.find_map(|key| self.state.services.keyring.verify(key, now));
        let own = caller.as_ref().and_then(|caller| rates::by_name(caller, &self.state));
        self.count_for(own.as_ref().or(self.knocker.client.as_ref()))?;
        Ok(caller)
    }

    /// Who connects: the caller by the key that it shows, here or with its request, and the entity that it names.
    fn identify(&self, auth: &Value) -> Result<Identity, ApiError> {
        // Whoever shows a key that counts is who it says, also where none is asked for.
        let Some(caller) = self.shown(auth)?.or_else(|| self.knocker.caller.clone()) else {
            let message = "Missing or invalid API key: send it as auth.apiKey or auth.token, as X-API-KEY or Authorization: Bearer";
            return Err(ApiError::new(Code::Unauthorized, message));
        };
        if !caller.may(Permission::MessagesRead) {
            return Err(ApiError::new(Code::Forbidden, "The key does not allow this"));
        }
        // One person is who its token says, whatever it calls itself.
        let person = caller.reach().and_then(|reach| reach.person);
        let named: Option<EntityId> = auth.get("entityId").and_then(Value::as_str).and_then(|id| id.parse().ok());
        if person.zip(named).is_some_and(|(person, named)| person != named) {
            return Err(ApiError::new(Code::Forbidden, "entityId must be that of the token's subject"));
        }
        let named = named.or(person);
        if named.is_none() && !self.state.settings.anonymous_sockets {
            return Err(ApiError::bad_request("Valid entityId required"));
        }
        let client = rates::by_name(&caller, &self.state).or_else(|| self.knocker.client.clone());
        let entity = named.unwrap_or_else(|| self.state.services.ids.uuid().into());
        Ok(Identity { caller, client, entity, settled: named.is_some(), socket_id: token(&self.state)? })
    }

    /// Whoever came without a name has the first one that it posted under.
    pub(crate) fn settle(&mut self, entity: EntityId) {
        if let Some(identity) = self.identity.as_mut().filter(|identity| !identity.settled) {
            identity.entity = entity;
            identity.settled = true;
        }
    }

    /// Counts something that a client asks for.
    pub(crate) fn count(&self) -> Result<(), ApiError> {
        self.count_for(self.identity.as_ref().map_or(&self.knocker.client, |identity| &identity.client).as_ref())
    }

    fn count_for(&self, client: Option<&Client>) -> Result<(), ApiError> {
        let rated = client.and_then(|client| rates::count_client(&self.state, Class::Api, client));
        rated.and_then(|rated| rated.refusal()).map_or(Ok(()), Err)
    }

    /// One step of catching up was made, or failed.
    fn caught_up(&mut self, step: ServiceResult<Step>) {
        match step {
            Ok(Step::Told) => {}
            Ok(Step::Done) => drop(self.missed.pop_front()),
            // Meanwhile there may be something to tell of the others.
            Ok(Step::Nothing) => {
                let first = self.missed.pop_front();
                self.missed.extend(first);
            }
            Err(error) => {
                let error = told_to_log(error);
                if let Some(channel) = self.missed.front().map(CatchUp::channel) {
                    self.part(channel);
                }
                self.fail(None, &error);
            }
        }
    }

    fn tell_line(&mut self, line: Line) {
        let Some((_, wish)) = &self.log else { return };
        match line {
            Ok(Some(line)) if wish.lets(&line) => self.send(log_entry(&line)),
            // What the reader missed is told by nothing: elizaOS has no word for it.
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => self.log = None,
        }
    }
}

type Line = Result<Option<Arc<core_types::system::LogLine>>, core_types::bus::Lagged>;

/// Goes on with what was missed in one of the channels.
async fn next_missed(missed: &mut VecDeque<CatchUp>, turns: &Arc<Turns>) -> ServiceResult<Step> {
    match missed.front_mut() {
        Some(missed) => missed.step(turns).await,
        None => std::future::pending().await,
    }
}

async fn next_line(log: &mut Option<(Box<dyn LogReader>, LogWish)>) -> Line {
    match log {
        Some((reader, _)) => reader.next().await,
        None => std::future::pending().await,
    }
}

impl Drop for Driver {
    /// However the session ends, nothing of it stays.
    fn drop(&mut self) {
        let Some(identity) = &self.identity else { return self.end() };
        for channel in self.channels.drain() {
            self.hub.rooms.leave(&identity.caller, channel, self.listener.key);
        }
        self.end();
    }
}

impl Driver {
    fn end(&self) {
        self.link.outbox.close();
        self.link.end_poll.notify_one();
    }
}

/// A new id that nobody can guess.
pub(crate) fn token(state: &State) -> Result<String, ApiError> {
    let bits = state.services.randomness.bits().map_err(ApiError::internal)?;
    Ok(format!("{bits:032x}"))
}

/// Logs what a service could not do, where that is not the client's fault.
pub(crate) fn told_to_log(error: ServiceError) -> ApiError {
    if matches!(error, ServiceError::Unavailable(_) | ServiceError::Internal(_)) {
        log::error!("{}", chain(&error));
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use bytes::Bytes;
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn no_more_bytes_of_a_session_wait_than_may_until_what_they_ask_for_is_done() {
        let (sender, mut inputs) = mpsc::channel(limits::SOCKET_INPUTS);
        let link = Link::new(Via::Websocket, sender);
        let hand_on = |bytes| link.hand_on(engine::Packet::Binary(Bytes::from(vec![0_u8; bytes])), Via::Websocket, None);
        let half = limits::SOCKET_INPUT_BYTES / 2;
        assert!(hand_on(half).await && hand_on(half).await);
        let mut next = pin!(hand_on(1));
        assert!(poll!(&mut next).is_pending());
        let first = inputs.recv().await;
        assert!(poll!(&mut next).is_pending(), "it is not done yet");
        drop(first);
        assert!(next.await);

        // One that is larger waits alone.
        let mut large = pin!(hand_on(3 * half));
        drop(inputs.recv().await);
        assert!(poll!(&mut large).is_pending());
        drop(inputs.recv().await);
        assert!(large.await);
        assert!(poll!(Box::pin(hand_on(1))).is_pending());
    }
}

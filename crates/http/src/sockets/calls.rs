//! What clients ask for by events, done by the services.

use core_types::json::object_has_nul;
use core_types::messaging::PostReceipt;
use core_types::{ChannelId, JsonObject, ServiceError, Thing};
use realtime::Call;
use realtime::packet::{ack_frame, event_frame};
use serde_json::{Value, json};

use crate::errors::{ApiError, ApiResult, Code};
use crate::limits;
use crate::sockets::driver::{Driver, Identity, told_to_log};
use crate::sockets::rooms::Room;
use crate::wire::manage::LogWish;
use crate::wire::sockets::{acknowledged, broadcast, failure, joined, joining, log_wish, no_server, nobody_answers, sending};

impl Driver {
    /// Does what a client asks for, and tells it what came of it: in the events of elizaOS, and as the answer to its own event
    /// where it wants one.
    pub(crate) async fn call(&mut self, call: Call, ack: Option<u64>) {
        let done = match call {
            Call::Join(payload) => self.join(payload).await,
            Call::Leave(payload) => self.leave(payload),
            Call::Send(payload) => self.post(payload).await,
            Call::SubscribeLogs => self.follow_log(true),
            Call::UnsubscribeLogs => self.follow_log(false),
            Call::FilterLogs(payload) => self.filter_log(payload),
        };
        match done {
            Ok(answer) => self.answer(ack, &answer),
            Err(error) => self.fail(ack, &error),
        }
    }

    /// Tells that something cannot be done.
    pub(crate) fn fail(&self, ack: Option<u64>, error: &ApiError) {
        let failure = failure(error);
        self.send(event_frame("messageError", &failure));
        self.answer(ack, &failure);
    }

    fn answer(&self, ack: Option<u64>, answer: &Value) {
        if let Some(id) = ack {
            self.send(ack_frame(id, answer));
        }
    }

    fn identity(&self) -> ApiResult<&Identity> {
        self.identity.as_ref().ok_or_else(|| ApiError::internal("a socket calls before it is connected"))
    }

    async fn join(&mut self, payload: JsonObject) -> ApiResult<Value> {
        let wanted = joining(payload)?;
        let Identity { caller, socket_id, .. } = self.identity()?;
        let (caller, socket_id) = (caller.clone(), socket_id.clone());
        // elizaOS lets clients join what is no channel; nothing ever happens there.
        let Ok(channel) = wanted.channel.parse::<ChannelId>() else {
            return Ok(self.confirm(joined(&wanted, &socket_id, None)));
        };
        let heard = self.channels.contains(&channel);
        // Whoever was sent away comes in like anybody else, or not.
        if heard && wanted.after.is_none() && !self.hub.rooms.is_lost(&caller, channel) {
            return Ok(self.confirm(joined(&wanted, &socket_id, None)));
        }
        if !heard && self.channels.len() >= limits::SOCKET_CHANNELS {
            let message = format!("A socket hears at most {} channels; leave one, or open another socket", limits::SOCKET_CHANNELS);
            return Err(ApiError::bad_request(message));
        }
        self.part(channel);
        let mut told = Value::Null;
        let confirm = |position| told = self.confirm(joined(&wanted, &socket_id, Some(position)));
        let missed = self.hub.rooms.join(&caller, channel, wanted.after, &self.listener, confirm).await.map_err(told_to_log)?;
        self.channels.insert(channel);
        self.missed.extend(missed);
        Ok(told)
    }

    /// Hears a channel no longer.
    pub(crate) fn part(&mut self, channel: ChannelId) {
        if self.channels.remove(&channel) {
            self.missed.retain(|missed| missed.channel() != channel);
            if let Some(identity) = &self.identity {
                self.hub.rooms.leave(&identity.caller, channel, self.listener.key);
            }
        }
    }

    fn confirm(&self, joined: Value) -> Value {
        self.send(event_frame("channel_joined", &joined));
        self.send(event_frame("room_joined", &joined));
        joined
    }

    fn leave(&mut self, payload: JsonObject) -> ApiResult<Value> {
        let channel = joining(payload)?.channel;
        if let Ok(id) = channel.parse() {
            self.part(id);
        }
        Ok(json!({ "channelId": channel, "roomId": channel }))
    }

    async fn post(&mut self, payload: JsonObject) -> ApiResult<Value> {
        if object_has_nul(&payload) {
            return Err(ApiError::new(Code::InvalidJson, "The message contains the character U+0000"));
        }
        let message = sending(payload)?;
        let (channel, server, author) = (message.channel_id, message.server_id, message.author_id);
        let Identity { caller, entity, settled, .. } = self.identity()?;
        if *settled && *entity != author {
            return Err(ApiError::new(Code::Forbidden, "senderId must be the entityId with which the socket connected"));
        }
        let client_id = message.source_id.clone();
        let room = self.hub.rooms.get(caller, channel);
        if let (Some(room), Some(client_id)) = (&room, &client_id) {
            room.sending(author, client_id, self.listener.key);
        }
        let posted = self.state.services.messaging.post(caller, message).await;
        let is_new = posted.as_ref().is_ok_and(|receipt| !receipt.repeated);
        if let (Some(room), Some(client_id), false) = (&room, &client_id, is_new) {
            room.not_sent(author, client_id, self.listener.key);
        }
        if posted.is_ok() {
            self.settle(author);
        }
        match posted {
            Ok(receipt) => Ok(self.acknowledge(&receipt, client_id.as_deref(), room.as_deref())),
            Err(ServiceError::NotFound(Thing::Server)) => Err(no_server(server)),
            Err(error) => Err(told_to_log(error)),
        }
    }

    /// Tells the sender of a message that it is on disk: its own copy first, which its room tells it where it hears that.
    fn acknowledge(&self, receipt: &PostReceipt, client_id: Option<&str>, room: Option<&Room>) -> Value {
        let (message, key) = (&*receipt.message, self.listener.key);
        let told = acknowledged(message, &receipt.warnings);
        let own = broadcast(message, message.seq, client_id);
        let mut frames = vec![event_frame("messageAck", &told)];
        if !receipt.warnings.is_empty() {
            // Whoever waits for an answer learns that there will be none.
            frames.push(nobody_answers(message));
        }
        let by_room = room.filter(|_| !receipt.repeated).is_some_and(|room| room.tell_behind(message.seq, key, &own, &frames));
        if !by_room {
            self.send(own);
            for frame in frames {
                self.send(frame);
            }
        }
        told
    }

    fn follow_log(&mut self, follow: bool) -> ApiResult<Value> {
        let caller = &self.identity()?.caller;
        self.log = if follow {
            let reader = self.state.services.system.log(caller).map_err(told_to_log)?.follow();
            Some((reader, LogWish::default()))
        } else {
            None
        };
        let done = if follow { "subscribed to" } else { "unsubscribed from" };
        let told = json!({ "subscribed": follow, "message": format!("Successfully {done} log stream") });
        self.send(event_frame("log_subscription_confirmed", &told));
        Ok(told)
    }

    fn filter_log(&mut self, payload: JsonObject) -> ApiResult<Value> {
        let wanted = log_wish(payload)?;
        let told = match &mut self.log {
            Some((_, wish)) => {
                *wish = wanted;
                json!({ "success": true, "filters": wish })
            }
            None => json!({ "success": false, "error": "Not subscribed to log stream" }),
        };
        self.send(event_frame("log_filters_updated", &told));
        Ok(told)
    }
}

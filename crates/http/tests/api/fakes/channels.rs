//! Channels and message servers.

use async_trait::async_trait;
use core_types::messaging::{
    Channel, ChannelChange, ChannelService, MessageServer, NewChannel, NewServer, ServerChange, ServerService, SyncedChannel,
};
use core_types::{AgentId, Caller, ChannelId, EntityId, Listed, MessageServerId, Page, ServiceResult};

use super::{AGENT, Call, Fakes, USER, channel, server};

#[async_trait]
impl ChannelService for Fakes {
    async fn list(&self, _: &Caller, _: MessageServerId, page: Page) -> ServiceResult<Listed<Channel>> {
        self.note(Call::Page(page)).map(|()| self.listed(channel()))
    }

    async fn create(&self, _: &Caller, new: NewChannel) -> ServiceResult<Channel> {
        self.note(Call::CreateChannel(new)).map(|()| channel())
    }

    async fn sync(&self, _: &Caller, server: MessageServerId, channels: Vec<SyncedChannel>) -> ServiceResult<()> {
        self.note(Call::Sync(server, channels))
    }

    async fn get(&self, _: &Caller, _: ChannelId) -> ServiceResult<Channel> {
        self.note(Call::Other("channel")).map(|()| channel())
    }

    async fn direct(&self, _: &Caller, server: MessageServerId, two: [EntityId; 2]) -> ServiceResult<Channel> {
        self.note(Call::Direct(server, two)).map(|()| channel())
    }

    async fn update(&self, _: &Caller, id: ChannelId, change: ChannelChange) -> ServiceResult<Channel> {
        self.note(Call::UpdateChannel(id, change)).map(|()| channel())
    }

    async fn participants(&self, _: &Caller, _: ChannelId) -> ServiceResult<Vec<EntityId>> {
        self.note(Call::Other("participants")).map(|()| vec![USER.parse().unwrap(), AGENT.parse().unwrap()])
    }

    async fn join(&self, _: &Caller, id: ChannelId, who: EntityId) -> ServiceResult<()> {
        self.note(Call::Join(id, who))
    }

    async fn leave(&self, _: &Caller, id: ChannelId, who: EntityId) -> ServiceResult<()> {
        self.note(Call::Leave(id, who))
    }

    async fn remove(&self, _: &Caller, _: ChannelId) -> ServiceResult<()> {
        self.note(Call::Other("remove channel"))
    }
}

#[async_trait]
impl ServerService for Fakes {
    async fn list(&self, _: &Caller, page: Page) -> ServiceResult<Listed<MessageServer>> {
        self.note(Call::Page(page)).map(|()| self.listed(server()))
    }

    async fn create(&self, _: &Caller, new: NewServer) -> ServiceResult<MessageServer> {
        self.note(Call::CreateServer(new)).map(|()| server())
    }

    async fn get(&self, _: &Caller, _: MessageServerId) -> ServiceResult<MessageServer> {
        self.note(Call::Other("server")).map(|()| server())
    }

    async fn update(&self, _: &Caller, id: MessageServerId, change: ServerChange) -> ServiceResult<MessageServer> {
        self.note(Call::UpdateServer(id, change)).map(|()| server())
    }

    async fn remove(&self, _: &Caller, id: MessageServerId) -> ServiceResult<()> {
        self.note(Call::RemoveServer(id))
    }

    async fn link(&self, _: &Caller, id: MessageServerId, agent: AgentId) -> ServiceResult<()> {
        self.note(Call::Link(id, agent))
    }

    async fn unlink(&self, _: &Caller, id: MessageServerId, agent: AgentId) -> ServiceResult<()> {
        self.note(Call::Unlink(id, agent))
    }

    async fn agents(&self, _: &Caller, _: MessageServerId, page: Page) -> ServiceResult<Listed<AgentId>> {
        self.note(Call::Page(page)).map(|()| self.listed(AGENT.parse().unwrap()))
    }

    async fn of_agent(&self, _: &Caller, _: AgentId, page: Page) -> ServiceResult<Listed<MessageServerId>> {
        self.note(Call::Page(page)).map(|()| self.listed(MessageServerId::DEFAULT))
    }
}

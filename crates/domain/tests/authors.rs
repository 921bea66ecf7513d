//! Who may speak as an agent, and which agents hear what, at every door.

use std::sync::Arc;

use core_types::agents::AgentService;
use core_types::deliveries::DeliveryState;
use core_types::messaging::{ChannelService, Door, MessagingService, NewMessage, ReplyForm};
use core_types::{Caller, ChannelId, EntityId, InvalidCode, ServiceError};
use serde_json::json;
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::ScriptedProvider;

const DOORS: [Door; 5] = [Door::Channel, Door::Submit, Door::Action, Door::Ingest, Door::Socket];

async fn house() -> House {
    House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await
}

fn says(door: Door, channel: ChannelId, author: EntityId, text: &str) -> NewMessage {
    NewMessage { door, ..House::message(channel, author, text) }
}

#[tokio::test]
async fn an_agent_can_be_the_author_at_submit_and_action_whether_it_runs_or_not() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    for runs in [true, false] {
        for door in DOORS {
            let posted = house.messaging.post(&owner, says(door, channel, agent.into(), "I am Eliza")).await;
            match door {
                Door::Submit | Door::Action => assert_eq!(posted.expect("submitted").message.author_id, agent.into()),
                Door::Channel | Door::Ingest | Door::Socket | Door::Session(_) | Door::Job(_) => {
                    assert!(matches!(posted, Err(ServiceError::Forbidden { .. })), "{door:?} {posted:?}");
                }
            }
        }
        if runs {
            house.agents.stop(&owner, agent).await.expect("it ran");
        }
    }
    assert_eq!(house.texts(channel).await, ["I am Eliza"; 4]);
}

#[tokio::test]
async fn a_person_is_heard_at_every_door_but_where_agents_show_what_they_do() {
    let house = house().await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    for door in DOORS {
        let posted = house.messaging.post(&Caller::owner(), says(door, channel, person(1), "ping")).await.expect("posted");
        if door != Door::Action {
            let (completion, _) = watch.end().await;
            assert_eq!((completion.message_id, completion.state), (posted.message.id, DeliveryState::Replied), "{door:?}");
        }
    }
}

#[tokio::test]
async fn what_an_agent_shows_of_its_doing_is_nobodys_turn() {
    let house = house().await;
    let (ada, bert) = (house.agent_named("Ada").await, house.agent_named("Bert").await);
    let channel = house.channel("DM", &[ada.into(), bert.into()], json!({"allowAgentToAgent": true})).await;
    let owner = Caller::owner();
    for _ in 0..20 {
        house.messaging.post(&owner, says(Door::Action, channel, ada.into(), "Executing action: X")).await.expect("shown");
    }
    let mut watch = house.watch(channel).await;
    house.messaging.post(&owner, says(Door::Submit, channel, ada.into(), "hello Bert")).await.expect("submitted");
    assert_eq!(watch.reply().await.author_id, bert.into(), "the talk is not at its end yet");
}

#[tokio::test]
async fn an_agent_wakes_no_agent_unless_the_channel_allows_it() {
    let house = house().await;
    let (ada, bert) = (house.agent_named("Ada").await, house.agent_named("Bert").await);
    for (metadata, answered) in
        [(json!({}), false), (json!({"allowAgentToAgent": "true"}), false), (json!({"allowAgentToAgent": true}), true)]
    {
        let channel = house.channel("DM", &[ada.into(), bert.into()], metadata.clone()).await;
        let mut watch = house.watch(channel).await;
        house.messaging.post(&Caller::owner(), says(Door::Submit, channel, ada.into(), "hello Bert")).await.expect("submitted");
        if answered {
            assert_eq!(watch.reply().await.author_id, bert.into(), "{metadata}");
        } else {
            // A person's message comes after, and its delivery is the first there is.
            let asked = house.post(channel, person(1), "and now?").await.message;
            assert_eq!(watch.end().await.0.message_id, asked.id, "{metadata}");
        }
    }
}

#[tokio::test]
async fn nobody_hears_itself_and_nobody_hears_a_channel_that_it_is_not_in() {
    let house = house().await;
    let (ada, bert) = (house.agent_named("Ada").await, house.agent_named("Bert").await);
    let channel = house.channel("DM", &[ada.into()], json!({"allowAgentToAgent": true})).await;
    let owner = Caller::owner();
    house.messaging.post(&owner, says(Door::Submit, channel, ada.into(), "to myself")).await.expect("submitted");
    house.messaging.post(&owner, says(Door::Submit, channel, bert.into(), "from outside")).await.expect("submitted");
    let mut watch = house.watch(channel).await;
    let (completion, reply) = watch.end().await;
    assert_eq!((completion.agent_id, completion.state), (ada, DeliveryState::Replied));
    assert_eq!(reply.expect("a reply").in_reply_to, Some(completion.message_id));
    assert_eq!(house.texts(channel).await, ["to myself", "from outside", "pong"]);
}

#[tokio::test]
async fn only_the_doors_of_people_make_a_channel() {
    let house = house().await;
    let unknown = ChannelId::new(person(99).uuid());
    for door in DOORS {
        let posted = house.messaging.post(&Caller::owner(), says(door, unknown, person(1), "hello?")).await;
        match door {
            Door::Channel | Door::Socket => assert_eq!(posted.expect("posted").message.channel_id, unknown),
            // The channel door comes first, so that these see its channel; one more is needed that is nowhere.
            Door::Submit | Door::Action | Door::Ingest | Door::Session(_) | Door::Job(_) => {
                let nowhere = says(door, ChannelId::new(person(98).uuid()), person(1), "hello?");
                assert!(matches!(house.messaging.post(&Caller::owner(), nowhere).await, Err(ServiceError::NotFound(_))), "{door:?}");
            }
        }
    }
    assert_eq!(house.channels.participants(&Caller::owner(), unknown).await.expect("participants"), [person(1)]);
}

#[tokio::test]
async fn a_reply_is_only_waited_for_where_an_agent_listens() {
    let house = house().await;
    let agent = house.agent_named("Eliza").await;
    let (owner, channel) = (Caller::owner(), house.channel("GROUP", &[person(1)], json!({})).await);
    let refused = |asked: Result<_, ServiceError>| matches!(asked.err(), Some(ServiceError::Invalid { code: InvalidCode::NoAgent, .. }));
    assert!(refused(house.messaging.exchange(&owner, House::message(channel, person(1), "anybody?"), ReplyForm::Whole).await));
    let with_agent = house.channel("GROUP", &[person(1), agent.into()], json!({})).await;
    house.agents.stop(&owner, agent).await.expect("it ran");
    assert!(refused(house.messaging.exchange(&owner, House::message(with_agent, person(1), "anybody?"), ReplyForm::Whole).await));
    assert_eq!((house.texts(channel).await, house.texts(with_agent).await), (vec![], vec![]));
}

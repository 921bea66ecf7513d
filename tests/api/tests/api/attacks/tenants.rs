//! Attacks of one tenant on another.

use core_types::ids::string_to_uuid;
use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::scripted::{Reply, ScriptedModel};
use testkit::server::{KEY, TestServer};
use testkit::socket::Socket;

use super::{Estate, tenants_key};
use crate::support::{
    ANN, BEN, BENS_TOKEN, DEFAULT, NOTHING, TOKEN_SECRET, create_agent, create_channel, messages_of, running_agent, says, text, texts,
};

/// What only its owner may read.
const TREASURE: &str = "treasure-3b9d77aa";

/// Class 12: what an agent of one tenant remembers is read, searched and changed by no other, under any name for it.
#[tokio::test]
async fn nobody_reads_what_anothers_agent_remembers() {
    let Estate { server, victim, attacker, owner, .. } = Estate::new().await;
    let agent = running_agent(&victim, "Alice").await;
    let own = running_agent(&attacker, "Eve").await;
    let document = json!({"content": format!("The code is {TREASURE}."), "title": "codes"});
    let document = text(&victim.post(&format!("/api/memory/agents/{agent}/documents"), &document).await.data(201)["document"]["id"]);
    let room = text(&victim.post(&format!("/api/agents/{agent}/rooms"), &json!({"name": "R"})).await.data(201)["id"]);
    let seen_so_far = server.record().text().len();
    for base in [format!("/api/memory/agents/{agent}"), format!("/api/memory/{agent}")] {
        for rest in [
            "memories",
            "memories?table=documents",
            &format!("memories/{document}"),
            &format!("memories/{document}/why"),
            "documents",
            &format!("documents/{document}"),
            "embeddings",
        ] {
            let path = format!("{base}/{rest}");
            let answer = attacker.get(&path).await;
            // As if there were no such agent.
            let absent = attacker.get(&path.replace(&agent, NOTHING)).await;
            assert!(answer.status >= 400 && answer.status == absent.status, "{path}: {answer} {absent}");
        }
    }
    for rest in ["rooms", &format!("rooms/{room}"), &format!("rooms/{room}/memories"), "runs", "logs"] {
        assert_eq!(attacker.get(&format!("/api/agents/{agent}/{rest}")).await.status, 404, "{rest}");
    }
    let search = json!({"query": TREASURE, "table": "documents", "agentId": agent, "roomId": room, "entityId": ANN});
    assert_eq!(attacker.post(&format!("/api/memory/agents/{agent}/search"), &search).await.status, 404);
    attacker.post(&format!("/api/memory/agents/{own}/search"), &search).await;
    attacker.get(&format!("/api/memory/agents/{own}/memories?table=documents&agentId={agent}")).await;
    attacker.get(&format!("/api/memory/agents/{own}/memories/{document}")).await;
    for memory in [&document, &room] {
        let path = format!("/api/memory/agents/{agent}/memories/{memory}");
        assert_eq!(attacker.patch(&path, &json!({"content": {"text": "mine"}})).await.status, 404);
        assert_eq!(attacker.delete(&path).await.status, 404);
    }
    assert_eq!(attacker.delete(&format!("/api/memory/agents/{agent}/memories?source=author:{ANN}")).await.status, 404);
    // A message of the attacker's own with the id of a memory, which can be worked out from what was said or read.
    let channel = create_channel(&attacker, "GROUP", &[BEN]).await;
    for memory in [&document, &room] {
        attacker.post(&messages_of(&channel), &json!({"author_id": BEN, "content": "mine", "messageId": memory})).await.data(201);
        attacker.patch(&format!("/api/messaging/messages/{memory}"), &json!({"content": "mine"})).await.data(200);
        assert_eq!(attacker.delete(&format!("{}/{memory}", messages_of(&channel))).await.status, 204);
    }
    let said = server.record().text();
    assert!(!said[seen_so_far..].contains(TREASURE), "a memory was told");
    let kept = owner.get(&format!("/api/memory/agents/{agent}/documents/{document}")).await.data(200);
    assert!(kept["content"]["text"].as_str().is_some_and(|text| text.contains(TREASURE)), "{kept}");
}

/// Class 13: who knows the id of another's channel, session, job or message hears and reads nothing by it, on any transport.
#[tokio::test]
async fn the_id_of_a_conversation_lets_nobody_into_it() {
    let model = ScriptedModel::answering(|_| Reply::text(TREASURE)).await.unwrap();
    let own = [("OPENAI_BASE_URL", model.base_url()), ("OPENAI_API_KEY", "sk-server")];
    let Estate { server, victim, attacker, attackers_key, .. } = Estate::with(&own).await;
    let agent = running_agent(&victim, "Alice").await;
    let channel = create_channel(&victim, "DM", &[ANN, &agent]).await;
    let session = victim.post("/api/messaging/sessions", &json!({"agentId": agent, "userId": ANN})).await.json();
    let session = format!("/api/messaging/sessions/{}", text(&session["sessionId"]));
    let job = victim.post("/api/messaging/jobs", &json!({"userId": ANN, "agentId": agent, "content": "ping"})).await.json();
    let message = text(&victim.post(&messages_of(&channel), &says("a secret")).await.data(201)["id"]);
    let mut socket = Socket::connect(server.address(), &json!({"entityId": ANN, "apiKey": attackers_key})).await.unwrap();
    socket.emit("1", &json!({"channelId": channel, "entityId": ANN})).await;
    socket.emit("2", &json!({"channelId": channel, "messageServerId": DEFAULT, "senderId": ANN, "senderName": "Ann", "message": "let me in", "source": "x"})).await;
    let channels = format!("/api/messaging/central-channels/{channel}");
    let mine = json!({"name": "mine", "content": "mine", "timeoutMinutes": 10, "agentId": agent});
    for request in [
        Request::get(&format!("{channels}/events?after=0")),
        Request::get(&channels),
        Request::new("PATCH", &channels).json(&mine),
        Request::post(&format!("{channels}/agents"), &mine),
        Request::post(&format!("{channels}/generate-title"), &mine),
        Request::get(&session),
        Request::get(&format!("{session}/messages")),
        Request::post(&format!("{session}/messages"), &mine),
        Request::post(&format!("{session}/renew"), &json!({})),
        Request::new("PATCH", &format!("{session}/timeout")).json(&mine),
        Request::new("DELETE", &session),
        Request::get(&format!("/api/messaging/jobs/{}", text(&job["jobId"]))),
        Request::get(&format!("/api/messaging/messages/{message}")),
        Request::new("PATCH", &format!("/api/messaging/messages/{message}")).json(&mine),
        Request::post(
            "/api/messaging/submit",
            &json!({"channel_id": channel, "server_id": DEFAULT, "author_id": agent, "content": "mine", "source_type": "x", "raw_message": {"text": "mine"}}),
        ),
        Request::post(&messages_of(&channel), &says("mine")),
    ] {
        let shown = format!("{request:?}");
        let answer = attacker.send(request).await;
        assert!(matches!(answer.status, 403 | 404), "{shown}: {answer}");
    }
    for nothing in [messages_of(&channel), format!("{channels}/participants")] {
        let answer = attacker.get(&nothing).await;
        assert!(answer.status == 404 || !answer.text().contains(ANN), "{nothing}: {answer}");
    }
    attacker.delete(&messages_of(&channel)).await;
    attacker.delete(&format!("{}/{message}", messages_of(&channel))).await;
    attacker.delete(&channels).await;
    // The conversation goes on, and its end reaches the socket of nobody else.
    victim.events(Request::get(&format!("{channels}/events?after=0"))).await.until("message_complete").await;
    socket.emit("update_log_filters", &Value::Null).await;
    loop {
        let (name, told) = socket.next().await.expect("an answer");
        assert!(!told.to_string().contains(TREASURE) && name != "messageBroadcast", "{name} {told}");
        if name == "log_filters_updated" {
            break;
        }
    }
    assert_eq!(texts(&victim, &channel).await[0], "a secret");
    assert!(!texts(&victim, &channel).await.contains(&"mine".to_owned()));
}

/// Every number that says how many there are in a list.
fn counted(answer: &Value) -> Vec<u64> {
    match answer {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value.as_u64() {
                Some(number) if ["total", "totalSessions", "activeSessions", "count", "filtered"].contains(&name.as_str()) => vec![number],
                _ => counted(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(counted).collect(),
        _ => Vec::new(),
    }
}

/// Class 15: no list shows what another tenant made, or what nobody owns, nor how many there are.
#[tokio::test]
async fn no_list_shows_what_another_tenant_has() {
    let Estate { server: _server, victim, attacker, owner, .. } = Estate::new().await;
    let mut theirs = Vec::new();
    for (caller, name) in [(&victim, "victims"), (&owner, "owners")] {
        let agent = running_agent(caller, &format!("{name}-agent")).await;
        let channel = create_channel(caller, "GROUP", &[ANN, &agent]).await;
        let server = text(
            &caller.post("/api/messaging/central-servers", &json!({"name": format!("{name}-server"), "sourceType": "x"})).await.data(201)["id"],
        );
        caller.post(&messages_of(&channel), &says(&format!("{name}-words"))).await.data(201);
        caller.post(&format!("/api/agents/{agent}/worlds"), &json!({"name": format!("{name}-world")})).await.data(201);
        caller.post("/api/messaging/sessions", &json!({"agentId": agent, "userId": ANN})).await;
        caller.post("/api/messaging/jobs", &json!({"userId": ANN, "agentId": agent, "content": "ping"})).await;
        theirs.extend([agent, channel, server, format!("{name}-")]);
    }
    for path in [
        "/api/agents".to_owned(),
        "/api/agents/worlds".to_owned(),
        "/api/messaging/central-servers".to_owned(),
        format!("/api/messaging/central-servers/{DEFAULT}/channels"),
        format!("/api/messaging/central-servers/{DEFAULT}/agents"),
        "/api/messaging/sessions".to_owned(),
        "/api/messaging/jobs".to_owned(),
        format!("/api/messaging/dm-channel?targetUserId={ANN}&currentUserId={BEN}&dmServerId={DEFAULT}"),
        "/api/server/debug/servers".to_owned(),
        "/api/keys".to_owned(),
        "/api/tee/agents".to_owned(),
    ] {
        let answer = attacker.get(&path).await;
        let shown = answer.text();
        assert!(theirs.iter().all(|thing| !shown.contains(thing)), "{path}: {answer}");
        if answer.status == 200 && !path.contains("servers") {
            assert!(counted(&answer.json()).iter().all(|number| *number == 0), "{path}: {answer}");
            assert!(answer.header("x-total-count").is_none_or(|total| total == "0"), "{path}: {answer}");
        }
    }
    let found = attacker.post("/api/messaging/messages/search", &json!({"query": "words"})).await;
    assert!(!found.text().contains("-words"), "{found}");
    // The things of nobody: what was there before there were tenants is the owner's.
    assert!(owner.get("/api/agents").await.text().contains("victims-agent"), "the owner sees everything");
}

async fn authors(caller: &Caller, channel: &str) -> Vec<String> {
    let data = caller.get(&messages_of(channel)).await.data(200);
    data["messages"].as_array().unwrap().iter().map(|message| text(&message["authorId"])).collect()
}

/// Class 18: whoever one is follows from what one has shown; a name in a body, a header or an event makes nobody of it.
#[tokio::test]
async fn nobody_speaks_in_the_name_of_another() {
    let server = TestServer::with(&[("ELIZA_SERVER_AUTH_TOKEN", KEY), ("JWT_SECRET", TOKEN_SECRET)]).await;
    let owner = server.key_holder();
    let agent = running_agent(&owner, "Alice").await;
    let ben = server.caller().with_bearer(BENS_TOKEN);
    let made = json!({"name": "Bens", "type": "GROUP", "message_server_id": DEFAULT, "participantCentralUserIds": []});
    let channel = text(&ben.post("/api/messaging/central-channels", &made).await.data(201)["id"]);
    // Who the bearer of a token is follows from its subject.
    let himself = string_to_uuid("ben").to_string();
    let said = |author: &str| json!({"author_id": author, "content": "said", "message_server_id": DEFAULT});
    ben.post(&messages_of(&channel), &said(&himself)).await.data(201);
    assert_eq!(authors(&ben, &channel).await, [himself.as_str()]);
    for author in [ANN, &agent] {
        for spoofing in [ben.clone(), ben.with("x-entity-id", author), ben.with("x-agent-id", author)] {
            spoofing.post(&messages_of(&channel), &said(author)).await.error(403, "FORBIDDEN");
        }
        let submitted = json!({"channel_id": channel, "server_id": DEFAULT, "author_id": author, "content": "spoofed", "source_type": "agent_response", "raw_message": {"text": "spoofed"}});
        for door in ["submit", "action"] {
            ben.post(&format!("/api/messaging/{door}"), &submitted).await.error(403, "FORBIDDEN");
        }
        let mut socket = Socket::connect(server.address(), &json!({"entityId": author, "apiKey": BENS_TOKEN})).await;
        if let Ok(socket) = &mut socket {
            let said = json!({"channelId": channel, "messageServerId": DEFAULT, "senderId": author, "senderName": "x", "message": "spoofed", "source": "x"});
            socket.emit("2", &said).await;
            let names = async {
                loop {
                    match socket.next().await {
                        Some((name, _)) if ["messageError", "messageAck"].contains(&name.as_str()) => break,
                        Some(_) => {}
                        None => break,
                    }
                }
            };
            names.await;
        }
    }
    let seen = authors(&owner, &channel).await;
    assert!(seen.iter().all(|author| *author == himself), "{seen:?}");
    // Where he takes part he may come and go, and nobody comes or goes by him; nor does he make the channel of two others.
    let board = create_channel(&owner, "GROUP", &[ANN, &himself]).await;
    ben.get(&messages_of(&board)).await.data(200);
    let members = format!("/api/messaging/central-channels/{board}/agents");
    ben.post(&members, &json!({"agentId": BEN})).await.error(404, "CHANNEL_NOT_FOUND");
    ben.get(&format!("/api/messaging/dm-channel?currentUserId={ANN}&targetUserId={BEN}&dmServerId={DEFAULT}"))
        .await
        .error(403, "FORBIDDEN");
    ben.get(&format!("/api/messaging/dm-channel?currentUserId={himself}&targetUserId={ANN}&dmServerId={DEFAULT}")).await.data(200);
    // A tenant's key does not speak for the owner's agents either, and a token that was changed is nobody's.
    let tenant = server.caller().with_key(&tenants_key(&owner, "tenant").await);
    let own = create_channel(&tenant, "GROUP", &[BEN]).await;
    tenant.post(&messages_of(&own), &json!({"author_id": agent, "content": "spoofed", "message_server_id": DEFAULT})).await;
    assert!(!authors(&owner, &own).await.contains(&agent));
    let (head, rest) = BENS_TOKEN.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let unsigned = "eyJhbGciOiJub25lIn0";
    for forged in [
        format!("{unsigned}.{claims}."),
        format!("{unsigned}.{claims}.{signature}"),
        format!("{head}.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
    ] {
        assert_eq!(server.caller().with_bearer(&forged).get("/api/agents").await.status, 401, "{forged}");
    }
    let taken = create_agent(&tenant, "Mine").await;
    for id in [agent.as_str(), NOTHING] {
        let chosen = json!({"characterJson": {"id": id, "name": "Usurper", "bio": "b"}});
        let refused = tenant.post("/api/agents", &chosen).await;
        assert!(refused.status == 400 && !refused.text().contains("Alice"), "{refused}");
    }
    assert_eq!(owner.get(&format!("/api/agents/{agent}")).await.data(200)["name"], "Alice");
    assert_ne!(taken, agent);
}

/// Class 13: whoever takes the name of a channel that another will have, or reads over the shoulder of two, gets nothing by it.
#[tokio::test]
async fn nobody_waits_in_the_place_where_another_will_speak() {
    let Estate { server, victim, attacker, owner, .. } = Estate::new().await;
    let agent = running_agent(&victim, "Alice").await;
    // A channel with the name and kind that the channel of those two has, made before it.
    let name = {
        let mut two = [ANN, agent.as_str()];
        two.sort_unstable();
        format!("DM-{}-{}", two[0], two[1])
    };
    let trap = json!({"name": name, "type": "DM", "message_server_id": DEFAULT, "participantCentralUserIds": [ANN, BEN]});
    let trap = text(&attacker.post("/api/messaging/central-channels", &trap).await.data(201)["id"]);
    let two = format!("/api/messaging/dm-channel?targetUserId={agent}&currentUserId={ANN}&dmServerId={DEFAULT}");
    let found = text(&victim.get(&two).await.data(200)["id"]);
    assert_ne!(found, trap);
    assert_ne!(text(&owner.get(&two).await.data(200)["id"]), trap);
    // Whoever works out the id of a tenant's channel of two and takes it keeps nobody from talking there.
    let two_with = |person: &str| {
        let mut two = [person, agent.as_str()];
        two.sort_unstable();
        format!("DM-{}-{}", two[0], two[1])
    };
    assert_eq!(found, string_to_uuid(&format!("6:victim:{DEFAULT}:{name}")).to_string());
    let guess = string_to_uuid(&format!("6:victim:{DEFAULT}:{}", two_with(BEN))).to_string();
    let taken = json!({"author_id": ANN, "content": "mine", "message_server_id": DEFAULT, "metadata": {"isDm": true}});
    attacker.post(&messages_of(&guess), &taken).await.data(201);
    let of_ben = format!("/api/messaging/dm-channel?targetUserId={agent}&currentUserId={BEN}&dmServerId={DEFAULT}");
    let own = text(&victim.get(&of_ben).await.data(200)["id"]);
    assert_ne!(own, guess);
    assert_eq!(text(&victim.get(&of_ben).await.data(200)["id"]), own, "it is one and the same from then on");
    attacker.get(&messages_of(&own)).await.error(404, "CHANNEL_NOT_FOUND");
    // Nor of those that a message server shares with its platform.
    let platform = json!({"name": "Platform", "sourceType": "x"});
    let platform = text(&victim.post("/api/messaging/central-servers", &platform).await.data(201)["id"]);
    attacker.post(&messages_of(&string_to_uuid(&format!("{platform}:general")).to_string()), &taken).await.data(201);
    let listed = async |name: &str| {
        let there = json!({"channels": [{"sourceId": "general", "name": name, "type": "GROUP"}]});
        victim.post(&format!("/api/messaging/central-servers/{platform}/sync-channels"), &there).await.data(200);
        let listed = victim.get(&format!("/api/messaging/central-servers/{platform}/channels")).await.data(200);
        let channels = listed["channels"].as_array().unwrap().clone();
        channels.iter().map(|channel| (text(&channel["id"]), text(&channel["name"]))).collect::<Vec<_>>()
    };
    let first = listed("General").await;
    let second = listed("Everything").await;
    assert_eq!((first.len(), second.len()), (1, 1), "{first:?}, {second:?}");
    assert_eq!((&first[0].0, first[0].1.as_str(), second[0].1.as_str()), (&second[0].0, "General", "Everything"));

    // A message server that both may use shows to neither what two of the other say to each other.
    let shared = text(&owner.post("/api/messaging/central-servers", &json!({"name": "Shared", "sourceType": "x"})).await.data(201)["id"]);
    let on_it = |name: &str| json!({"name": name, "scopes": ["agents:read", "agents:write", "messages:read", "messages:write"], "servers": [shared]});
    let key = async |name: &str| text(&owner.post("/api/keys", &on_it(name)).await.data(201)["key"]);
    let (first, second) = (server.caller().with_key(&key("first").await), server.caller().with_key(&key("second").await));
    let on_shared = |kind: &str| json!({"name": kind, "type": kind, "message_server_id": shared, "participantCentralUserIds": [ANN, BEN]});
    let public = text(&first.post("/api/messaging/central-channels", &on_shared("GROUP")).await.data(201)["id"]);
    second.get(&format!("/api/messaging/central-channels/{public}")).await.data(200);
    for kind in ["DM", "dm", "Api"] {
        let private = text(&first.post("/api/messaging/central-channels", &on_shared(kind)).await.data(201)["id"]);
        second.get(&format!("/api/messaging/central-channels/{private}")).await.error(404, "CHANNEL_NOT_FOUND");
        let listed = second.get(&format!("/api/messaging/central-servers/{shared}/channels")).await;
        assert!(listed.text().contains(&public) && !listed.text().contains(&private), "{listed}");
    }
}

/// Class 12: who shares a message server talks with the agents there, and neither reads what they are told nor puts words into their mouths.
#[tokio::test]
async fn an_agent_that_is_shared_keeps_to_itself_what_it_is_told() {
    let server = TestServer::with(&[("ELIZA_SERVER_AUTH_TOKEN", KEY)]).await;
    let owner = server.key_holder();
    let shared = text(&owner.post("/api/messaging/central-servers", &json!({"name": "Shared", "sourceType": "x"})).await.data(201)["id"]);
    let character = json!({
        "name": "Helpdesk", "bio": "Helps.", "system": TREASURE, "knowledge": [TREASURE], "lore": [TREASURE], "topics": ["help"],
        "settings": {"avatar": "https://example.com/a.png", "note": TREASURE, "secrets": {"TREASURE_TOKEN": "x"}},
    });
    let agent = text(&owner.post("/api/agents", &json!({"characterJson": character})).await.data(201)["id"]);
    owner.post(&format!("/api/agents/{agent}/start"), &json!({})).await.data(200);
    owner.post(&format!("/api/messaging/central-servers/{shared}/agents"), &json!({"agentId": agent})).await.data(201);
    let scopes = ["agents:read", "messages:read", "messages:write"];
    let key = json!({"name": "guest", "scopes": scopes, "servers": [shared]});
    let guest = server.caller().with_key(&text(&owner.post("/api/keys", &key).await.data(201)["key"]));
    let seen = guest.get(&format!("/api/agents/{agent}")).await;
    assert!(!seen.text().contains(TREASURE) && !seen.text().contains("TREASURE_TOKEN"), "{seen}");
    let seen = seen.data(200);
    assert_eq!(
        (text(&seen["name"]), &seen["topics"], &seen["settings"]["avatar"]),
        ("Helpdesk".to_owned(), &json!(["help"]), &character["settings"]["avatar"])
    );
    assert_eq!(owner.get(&format!("/api/agents/{agent}")).await.data(200)["system"], TREASURE);

    // What the agent has said there can be removed by those who share the place, and says what it said until then.
    let made = json!({"name": "c", "type": "GROUP", "message_server_id": shared, "participantCentralUserIds": [ANN, agent]});
    let channel = text(&owner.post("/api/messaging/central-channels", &made).await.data(201)["id"]);
    let said = json!({"channel_id": channel, "server_id": shared, "author_id": agent, "content": "It costs ten.", "source_type": "agent_response", "raw_message": {"text": "It costs ten."}});
    let said = text(&owner.post("/api/messaging/submit", &said).await.data(201)["id"]);
    let change = json!({"content": "It is free."});
    guest.patch(&format!("/api/messaging/messages/{said}"), &change).await.error(403, "FORBIDDEN");
    owner.patch(&format!("/api/messaging/messages/{said}"), &change).await.data(200);

    // And what another brings from its platform is not taken for what somebody here has brought before.
    let bring = |content: &str| json!({"channel_id": channel, "author_id": ANN, "content": content, "message_server_id": shared, "source_type": "tg", "source_id": "77"});
    let first = guest.post("/api/messaging/ingest-external", &bring("from the guest")).await.data(202);
    let second = owner.post("/api/messaging/ingest-external", &bring("from the platform")).await.data(202);
    assert_ne!(first["messageId"], second["messageId"]);
    for (caller, content, id) in [(&guest, "from the guest", &first["messageId"]), (&owner, "from the platform", &second["messageId"])] {
        assert_eq!(&caller.post("/api/messaging/ingest-external", &bring(content)).await.data(202)["messageId"], id);
    }
}

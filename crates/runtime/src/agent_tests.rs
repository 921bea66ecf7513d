use core_types::{Tenant, character};
use testkit::scripted_provider::ScriptedProvider;

use super::*;

const FIRST: Timestamp = Timestamp::from_millis(1);

fn agent(number: usize, character: &Value) -> Agent {
    Agent {
        id: AgentId::of_name(&format!("Agent {number}")),
        character: character::parse(character).unwrap().character,
        enabled: true,
        running: true,
        owner: None,
        created_at: FIRST,
        updated_at: FIRST,
    }
}

fn ready(agent: Agent) -> Arc<ReadyAgent> {
    let (agent, texts) = read_by_runs(agent);
    let settings = AgentSettings { secrets: HashMap::new(), texts };
    Arc::new(ReadyAgent { agent, settings, provider: Arc::new(ScriptedProvider::saying("pong")) })
}

/// Looks for an agent whose character is about so large, and keeps it ready, as whoever runs it does.
fn used(cache: &mut Cache, number: usize, bytes: usize) -> AgentId {
    let ready = ready(agent(number, &json!({"name": "A", "bio": "b", "system": "s".repeat(bytes)})));
    let (id, bytes) = (ready.agent.id, ready.bytes());
    if cache.find(id, FIRST).is_none() {
        cache.keep(id, ready, bytes);
    }
    let sum: usize = cache.agents.values().map(|kept| kept.bytes).sum();
    assert!(sum == cache.bytes && sum <= READY_BYTES, "{sum} {}", cache.bytes);
    id
}

#[test]
fn agents_are_kept_ready_up_to_so_many_bytes_and_those_that_ran_longest_ago_make_room() {
    let mut cache = Cache::default();
    let ids: Vec<AgentId> = (0..100).map(|number| used(&mut cache, number, 2_000_000)).collect();
    assert_eq!(cache.agents.len(), 33, "64 MiB have room for as many");
    assert!(cache.find(ids[66], FIRST).is_none() && cache.find(ids[67], FIRST).is_some());
    let next = used(&mut cache, 100, 2_000_000);
    assert!(cache.find(ids[68], FIRST).is_none(), "now it is the one that ran longest ago");
    assert!([ids[67], ids[99], next].iter().all(|id| cache.find(*id, FIRST).is_some()));
    cache.remove(next);
    used(&mut cache, 101, 10);
    assert_eq!(cache.agents.len(), 33, "there is room again");
}

#[test]
fn small_agents_are_bounded_by_their_number() {
    let mut cache = Cache::default();
    for number in 0..READY + 10 {
        used(&mut cache, number, 1);
    }
    assert_eq!(cache.agents.len(), READY);
    assert!(cache.bytes < READY_BYTES / 4);
}

#[test]
fn an_agent_that_is_too_large_is_not_kept_nor_its_version_before() {
    let mut cache = Cache::default();
    let small = used(&mut cache, 0, 10);
    let id = used(&mut cache, 1, LARGEST / 2);
    assert!(cache.find(id, FIRST).is_some());
    let version = FIRST.plus_millis(1);
    let large = ready(Agent { updated_at: version, ..agent(1, &json!({"name": "A", "bio": "b", "system": "s".repeat(LARGEST)})) });
    let bytes = large.bytes();
    assert!(cache.find(id, version).is_none());
    cache.keep(id, large, bytes);
    assert!(cache.find(id, FIRST).is_none() && cache.find(small, FIRST).is_some());
}

#[test]
fn what_was_read_before_an_agent_was_forgotten_is_not_kept_after() {
    let mut cache = Cache::default();
    let ready = ready(agent(0, &json!({"name": "A", "bio": "b"})));
    let (id, bytes) = (ready.agent.id, ready.bytes());
    let ways: [fn(&mut Cache, AgentId); 2] = [Cache::forget, |cache, _| cache.forget_all()];
    for forget in ways {
        let begun = cache.forgotten;
        forget(&mut cache, id);
        cache.keep_since(begun, id, Arc::clone(&ready), bytes);
        assert!(cache.find(id, FIRST).is_none(), "it may have been deleted meanwhile");
        let begun = cache.forgotten;
        cache.keep_since(begun, id, Arc::clone(&ready), bytes);
        assert!(cache.find(id, FIRST).is_some());
    }
}

#[test]
fn what_an_agent_takes_is_counted_and_what_no_run_reads_is_not_kept() {
    let with = |settings: Value| ready(agent(0, &json!({"name": "A", "bio": "b", "settings": settings})));
    let nothing = with(json!({})).bytes();
    let small: JsonObject = (0..35_000).map(|number| (format!("k{number:05}"), json!("v".repeat(40)))).collect();
    assert_eq!(with(Value::Object(small)).bytes() - nothing, 35_000 * (OF_VALUE + 46));
    let unread = json!({"list": vec![0; 40_000], "object": {"deep": "v".repeat(100_000)}, "long": "v".repeat(100_000)});
    assert_eq!(with(unread).bytes(), nothing);

    let mut secret = ready(agent(0, &json!({"name": "A", "bio": "b"})));
    let settings = AgentSettings { secrets: [("KEY".to_owned(), Secret::new("k".repeat(1_000)))].into(), texts: HashMap::new() };
    Arc::get_mut(&mut secret).unwrap().settings = settings;
    assert_eq!(secret.bytes() - nothing, OF_VALUE + 2_003);
}

#[test]
fn a_run_sees_settings_as_texts_and_of_the_character_what_it_reads() {
    let character = json!({
        "name": "A", "bio": "b", "lore": "l", "knowledge": ["known"], "postExamples": ["post"], "plugins": ["p"],
        "messageExamples": [[{"name": "x", "content": {"text": "t"}}]],
        "settings": {
            "OPENAI_SMALL_MODEL": "m", "temperature": 0.5, "BOOTSTRAP_DEFLLMOFF": true, "OPENAI_BASE_URL": "http://own",
            "voice": {"model": "alba", "other": [0]}, "list": [1], "long": "v".repeat(SETTING_TEXT + 1),
            ("n".repeat(SETTING_NAME + 1)): "v",
        },
    });
    let owners = ready(agent(0, &character));
    let tenants = ready(Agent { owner: Tenant::new("t"), ..agent(1, &character) });
    for (ready, address) in [(&owners, Some("http://own".to_owned())), (&tenants, None)] {
        let settings = &ready.settings;
        assert_eq!((settings.text("OPENAI_SMALL_MODEL").as_deref(), settings.text("temperature").as_deref()), (Some("m"), Some("0.5")));
        assert!(settings.flag("BOOTSTRAP_DEFLLMOFF"));
        assert_eq!(settings.get("OPENAI_BASE_URL").map(|address| address.reveal().to_owned()), address);
        assert_eq!(settings.texts.len(), 3 + usize::from(address.is_some()), "{:?}", settings.texts.keys());

        let kept = &ready.agent.character;
        assert_eq!(Value::Object(kept.settings.clone()), json!({"voice": {"model": "alba"}}));
        assert!(kept.knowledge.is_empty() && kept.post_examples.is_empty());
        assert_eq!((kept.plugins.len(), kept.message_examples.len(), kept.lore.is_some()), (1, 1, true));
    }
}

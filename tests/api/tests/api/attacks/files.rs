//! Attacks by files, by paths and by addresses.

use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::scripted::{Reply, ScriptedModel};

use super::Estate;
use crate::media::form;
use crate::support::{ANN, create_agent, create_channel, dm, exchange, messages_of, open, says, speaking, speaking_with, text, with_field};

const PNG: &[u8] = include_bytes!("../../../../conformance/samples/pixel.png");

/// What must not be found out.
const TREASURE: &str = "treasure-7c1f0e52";

/// Class 1: a name with steps, escapes, zero bytes or drives in it leads nowhere, neither of a file that comes nor of one that goes.
#[tokio::test]
async fn a_path_in_a_file_name_leads_nowhere() {
    let (server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    std::fs::write(server.directory().join("treasure.png"), TREASURE).unwrap();
    let outside = server.directory().parent().unwrap().to_owned();
    for name in [
        "../../../../evil.png",
        "..\\\\..\\\\evil.png",
        "/tmp/evil.png",
        "C:\\\\evil.png",
        "\\\\\\\\host\\\\evil.png",
        "%2e%2e%2fevil.png",
        ".",
        "..",
    ] {
        let sent = ann.send(form("/api/media/upload", (name, "image/png", PNG), &[("agentId", &agent)])).await.data(200);
        let url = text(&sent["url"]);
        let stored = url.rsplit('/').next().unwrap();
        assert!(stored.len() == 36 && stored[..32].bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {url}");
        assert_eq!(ann.get(&url).await.body, PNG, "{name}");
    }
    let names = [
        "..%2f..%2f..%2ftreasure.png",
        "%2e%2e/%2e%2e/%2e%2e/treasure.png",
        "..%5c..%5ctreasure.png",
        "x%00.png",
        "%c0%ae%c0%ae%2ftreasure.png",
    ];
    for base in ["/media/uploads/agents", "/media/uploads/channels", "/media/generated"] {
        for name in names {
            let answer = ann.get(&format!("{base}/{agent}/{name}")).await;
            assert!(matches!(answer.status, 400 | 404), "{base} {name}: {answer}");
        }
    }
    for place in [server.directory(), &outside, std::path::Path::new("/tmp")] {
        assert!(!place.join("evil.png").exists(), "{}", place.display());
    }
    assert!(!server.record().text().contains(TREASURE));
}

/// Class 2: `characterPath` reads below its directory alone, and an error tells nothing of what is elsewhere.
#[tokio::test]
async fn a_character_path_reads_no_other_file_of_the_machine() {
    let (server, ann) = open().await;
    let characters = server.characters();
    let character = json!({"name": TREASURE, "bio": TREASURE}).to_string();
    std::fs::write(server.directory().join("outside.json"), &character).unwrap();
    std::fs::write(server.directory().join("notes.txt"), TREASURE).unwrap();
    std::os::unix::fs::symlink(server.directory().join("outside.json"), characters.join("link.json")).unwrap();
    let absolute = server.directory().join("outside.json").to_string_lossy().into_owned();
    let mut told = Vec::new();
    for path in [
        "../outside.json",
        "../outside",
        "x/../../outside.json",
        "link.json",
        "link",
        &absolute,
        "/etc/passwd",
        "../notes.txt",
        "../absent.json",
        "file:///etc/passwd",
    ] {
        let refused = ann.post("/api/agents", &json!({"characterPath": path})).await;
        assert!((400..500).contains(&refused.status), "{path}: {refused}");
        if !path.contains("://") {
            told.push(text(&refused.json()["error"]["message"]));
        }
    }
    told.dedup();
    assert_eq!(told.len(), 1, "what is there and what is not are answered alike: {told:?}");
    assert!(!server.record().text().contains(TREASURE));
}

/// Class 3: what a caller names is not fetched from this machine, however its address is written.
#[tokio::test]
async fn no_spelling_of_an_address_makes_the_server_ask_its_own_machine() {
    let inside = ScriptedModel::answering(|_| Reply::text(TREASURE)).await.unwrap();
    let model = ScriptedModel::answering(|_| Reply::text("pong")).await.unwrap();
    let (server, ann) = speaking_with(&model, &[("ALLOW_REMOTE_CHARACTERS", "true")]).await;
    let (_, channel) = dm(&server, &ann).await;
    let port = inside.base_url().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.000.000.001",
        "127.255.255.254",
        "0.0.0.0",
        "0",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "example.org@127.0.0.1",
        "127.0.0.1%2f@127.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fc00::1]",
    ];
    let mut addresses: Vec<String> = hosts.iter().map(|host| format!("http://{host}:{port}/v1/notes.txt")).collect();
    addresses.extend(
        ["file:///etc/hostname", "FILE:///etc/hostname", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/x", "//127.0.0.1/x", "unix:/x"]
            .map(str::to_owned),
    );
    for address in &addresses {
        let refused = ann.post("/api/agents", &json!({"characterPath": address})).await;
        assert!((400..500).contains(&refused.status), "{address}: {refused}");
    }
    for some in addresses.chunks(8) {
        let attached: Vec<Value> = some.iter().map(|url| json!({"url": url, "contentType": "text/plain", "title": "notes"})).collect();
        let body = with_field(with_field(says("read this"), "transport", json!("http")), "metadata", json!({"attachments": attached}));
        ann.post(&messages_of(&channel), &body).await.data(201);
    }
    assert!(inside.requests().is_empty(), "the inside was asked: {:?}", inside.requests());
    let replies: Vec<_> = model.requests().into_iter().filter(|request| !request.body.to_string().contains("REMEMBER")).collect();
    assert_eq!(replies.len(), addresses.len().div_ceil(8));
    assert!(replies.iter().all(|request| request.body.to_string().contains("attached and not read")), "they were looked at");
    assert!(!server.record().text().contains(TREASURE));
}

/// Class 7: a page or a drawing with a script in it is not stored as what it says it is, and what is stored is not run by browsers.
#[tokio::test]
async fn an_uploaded_page_does_not_run_in_a_browser() {
    let (_server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    let path = format!("/api/media/agents/{agent}/upload-media");
    let script = b"<html><script>alert(1)</script></html>";
    for (name, kind, bytes) in [
        ("a.html", "text/html", &script[..]),
        ("a.png", "image/png", script),
        ("a.svg", "image/svg+xml", b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"),
        ("a.xml", "application/xml", b"<?xml version=\"1.0\"?><x xmlns=\"http://www.w3.org/1999/xhtml\"/>"),
        ("a.js", "text/javascript", b"alert(1)"),
        ("a.html", "image/png\"; x=\"", script),
    ] {
        let answer = ann.send(form(&path, (name, kind, bytes), &[])).await;
        // What is taken for a text is one from then on.
        let url = if answer.status == 200 { text(&answer.data(200)["url"]) } else { String::new() };
        assert!(url.rsplit('.').next() == Some("txt") || answer.status == 415, "{name} {kind}: {answer}");
    }
    // A picture that is a page too, and a page that says it is a text: they are what they were taken for, whatever they are asked as.
    for (name, kind, bytes) in [("a.html", "image/png", [PNG, script].concat()), ("a.html", "text/plain", script.to_vec())] {
        let url = text(&ann.send(form(&path, (name, kind, &bytes), &[])).await.data(200)["url"]);
        let shown = ann.with("accept", "text/html").get(&url).await;
        assert!(shown.header("content-type").is_some_and(|shown| shown.starts_with(kind)), "{shown}");
        assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
        assert!(shown.header("content-security-policy").is_some_and(|policy| policy.contains("sandbox")), "{kind}");
        if kind == "text/plain" {
            assert!(shown.header("content-disposition").is_some_and(|disposition| disposition.starts_with("attachment")));
        }
        ann.get(&url.replace(".png", ".html").replace(".txt", ".html")).await.error(404, "FILE_NOT_FOUND");
    }
}

/// Class 8: nothing that unpacks to more is unpacked, and the parts of a form count together.
#[tokio::test]
async fn what_unpacks_without_an_end_is_not_unpacked() {
    let (_server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip"] {
        let packed =
            Request::post("/api/agents", &json!({"characterJson": {"name": "Packed", "bio": "b"}})).header("content-encoding", encoding);
        ann.send(packed).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let path = format!("/api/media/agents/{agent}/upload-media");
    let value = "x".repeat(1_000);
    let names: Vec<String> = (0..100).map(|number| format!("field{number}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
    let many = ann.send(form(&path, ("a.png", "image/png", PNG), &fields)).await;
    assert!(matches!(many.status, 400 | 413), "{many}");
    let one = ann.send(form(&path, ("a.png", "image/png", PNG), &[("agentId", &"x".repeat(1 << 20))])).await;
    assert!(matches!(one.status, 400 | 413), "{one}");
    // A picture that claims to have four billion pixels is stored as the few bytes that it has.
    let mut vast = PNG.to_vec();
    vast[16..24].copy_from_slice(&[0, 0, 255, 255, 0, 0, 255, 255]);
    assert_eq!(ann.send(form(&path, ("a.png", "image/png", &vast), &[])).await.data(200)["size"], vast.len());
}

/// Class 14: a file takes a place only where its sender may write, and its address cannot be made of what others know.
#[tokio::test]
async fn nobody_puts_a_file_with_others_or_guesses_its_address() {
    let Estate { server: _server, victim, attacker, .. } = Estate::new().await;
    let agent = create_agent(&victim, "Alice").await;
    let channel = create_channel(&victim, "GROUP", &[ANN]).await;
    let places = [
        format!("/api/media/agents/{agent}/upload-media"),
        format!("/api/media/channels/{channel}/upload-media"),
        format!("/api/messaging/central-channels/{channel}/upload-media"),
    ];
    let sent = async |caller: &Caller, place: &str| caller.send(form(place, ("a.png", "image/png", PNG), &[])).await;
    for place in &places[1..] {
        assert_eq!(sent(&attacker, place).await.status, 404, "{place}");
        let form = form("/api/media/upload", ("a.png", "image/png", PNG), &[("channelId", &channel)]);
        assert_eq!(attacker.send(form).await.status, 404);
    }
    let mut urls = Vec::new();
    for place in &places {
        urls.push(text(&sent(&victim, place).await.data(200)["url"]));
        urls.push(text(&sent(&victim, place).await.data(200)["url"]));
    }
    for url in &urls {
        let (base, name) = url.rsplit_once('/').unwrap();
        // The same picture, sent twice to the same place, has addresses that say nothing of each other.
        let alike = urls.iter().filter(|other| other.rsplit('/').next().is_some_and(|other| other.starts_with(&name[..12])));
        assert_eq!(alike.collect::<Vec<_>>(), [url], "{urls:?}");
        let mut near = name.to_owned().into_bytes();
        near[31] = if near[31] == b'0' { b'1' } else { b'0' };
        attacker.get(&format!("{base}/{}", String::from_utf8(near).unwrap())).await.error(404, "FILE_NOT_FOUND");
        for listing in [base.to_owned(), format!("{base}/")] {
            assert_eq!(attacker.get(&listing).await.status, 404, "{listing}");
        }
        for method in ["DELETE", "PUT", "PATCH", "POST"] {
            assert_eq!(attacker.send(Request::new(method, url)).await.status, 404, "{method} {url}");
        }
        assert_eq!(victim.get(url).await.body, PNG);
    }
}

/// Class 16: nothing that comes over the API names a program, a module or a template that runs.
#[tokio::test]
async fn nothing_that_comes_over_the_api_is_run() {
    let model = ScriptedModel::answering(|_| Reply::text("pong")).await.unwrap();
    let (server, ann) = speaking(&model).await;
    let marker = server.directory().join("marker");
    let (shell, path) = (format!("touch {}", marker.display()), marker.display().to_string());
    let command = json!({"command": "touch", "args": [path], "type": "stdio"});
    let character = json!({
        "name": "Trojan", "bio": [format!("$({shell}) `{shell}`; {shell}")], "plugins": ["../../evil", &shell, "https://evil.example/x.js"],
        "settings": {"mcp": {"servers": {"evil": command}}, "mcpServers": {"evil": command}, "SPEECH_SYNTHESIZER": shell, "NODE_OPTIONS": "--require=/tmp/x"},
        "templates": {"messageHandlerTemplate": "{{constructor}} {{lookup this '__proto__'}} {{{bio}}} <% x %> {{#if true}}sum=${1234*5}{{/if}}"},
        "system": format!("$({shell})"),
    });
    let created = ann.post("/api/agents", &json!({"characterJson": character})).await;
    let agent = text(&created.data(201)["id"]);
    ann.post(&format!("/api/agents/{agent}/start"), &json!({})).await.data(200);
    let channel = create_channel(&ann, "DM", &[ANN, &agent]).await;
    exchange(&ann, &channel, &format!("{{{{exec}}}} $({shell})"), "http").await;
    let calling = json!({"templates": {"messageHandlerTemplate": "{{constructor.constructor \"return process\"}}"}});
    let refused = ann.patch(&format!("/api/agents/{agent}"), &calling).await.error(400, "UPDATE_ERROR");
    assert!(refused.contains("templates.messageHandlerTemplate: line 1"), "{refused}");
    // What has no meaning here may be set, and keeps having none; what is for the operator to say is refused.
    for (name, refused) in
        [("PATH", false), ("LD_PRELOAD", false), ("NODE_OPTIONS", false), ("ELIZA_DATA_DIR", true), ("POSTGRES_URL", true)]
    {
        let set = ann.post("/api/system/environment", &json!({"content": {name: shell}})).await;
        assert!(!refused || (400..500).contains(&set.status), "{name}: {set}");
    }
    for verb in ["/api/plugins", "/api/agents/x/plugins", "/api/tools/run", "/api/v1/validate/code"] {
        assert_eq!(ann.post(verb, &json!({"code": shell})).await.status, 404, "{verb}");
    }
    assert!(!marker.exists(), "something was run");
    let prompts: String = model.requests().iter().map(|request| request.body.to_string()).collect();
    assert!(prompts.contains("sum=") && !prompts.contains("6170"), "the character's template is used, and computes nothing: {prompts}");
    assert_eq!(ann.get("/healthz").await.status, 200);
}

//! Documents that are not text are read by the program itself, started anew.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::scripted::{Reply, ScriptedModel};

use crate::server::Server;

const PDF: &[u8] = include_bytes!("../../../../crates/contract/fixtures/hours.pdf");
const DOCX: &[u8] = include_bytes!("../../../../crates/contract/fixtures/hours.docx");
const BOMB: &[u8] = include_bytes!("../../../../crates/contract/fixtures/bomb.pdf");

fn id(answer: &str) -> &str {
    answer.split("\"id\":\"").nth(1).and_then(|rest| rest.get(..36)).unwrap()
}

#[test]
fn a_pdf_is_uploaded_and_found_and_known_the_second_time() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let created = server.ask("POST", "/api/agents", &json!({"characterJson": {"name": "Ada", "bio": "b"}}));
    let agent = id(&created);
    let documents = format!("/api/memory/agents/{agent}/documents");
    for (name, bytes) in [("hours.pdf", PDF), ("hours.docx", DOCX)] {
        let head = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        let form = [head.as_bytes(), bytes, b"\r\n--edge--\r\n"].concat();
        let upload = || server.send("POST", &documents, "multipart/form-data; boundary=edge", &form);
        let added = upload();
        assert!(added.contains("\"title\":\"Opening hours\"") && added.contains("\"existing\":false"), "{added}");
        assert!(upload().contains("\"existing\":true"));
    }
    let found = server.ask("POST", &format!("/api/memory/agents/{agent}/search"), &json!({"query": "ferries", "table": "knowledge"}));
    assert!(found.contains("The second page is about ferries."), "{found}");
}

/// Uploads a PDF to a channel; the path at which it is served.
fn attached(server: &Server, channel: &str, name: &str, bytes: &[u8]) -> String {
    let head =
        format!("--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/pdf\r\n\r\n");
    let form = [head.as_bytes(), bytes, b"\r\n--edge--\r\n"].concat();
    let path = format!("/api/messaging/central-channels/{channel}/upload-media");
    let answer = server.send("POST", &path, "multipart/form-data; boundary=edge", &form);
    answer.split("\"url\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_that_is_attached_reaches_the_model_as_text_and_one_that_cannot_be_read_as_a_note() {
    let model = ScriptedModel::answering(|_| Reply::text("I have read it.")).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[("OPENAI_BASE_URL", model.base_url()), ("OPENAI_API_KEY", "sk-test")]);
    let agent = id(&server.ask("POST", "/api/agents", &json!({"characterJson": {"name": "Ada", "bio": "b"}}))).to_owned();
    server.ask("POST", &format!("/api/agents/{agent}/start"), &json!({}));
    let (ann, home) = ("550e8400-e29b-41d4-a716-446655440001", "00000000-0000-0000-0000-000000000000");
    let channel = json!({"name": "c", "type": "DM", "message_server_id": home, "participantCentralUserIds": [ann, agent]});
    let channel = id(&server.ask("POST", "/api/messaging/central-channels", &channel)).to_owned();
    let attachments = json!([
        {"url": attached(&server, &channel, "hours.pdf", PDF), "title": "hours.pdf", "contentType": "application/pdf"},
        {"url": attached(&server, &channel, "bomb.pdf", BOMB), "title": "bomb.pdf"},
    ]);
    let said = json!({"author_id": ann, "content": "Read this", "message_server_id": home, "transport": "http",
        "raw_message": {"text": "Read this", "attachments": attachments}, "metadata": {"attachments": attachments}});
    let answer = server.ask("POST", &format!("/api/messaging/central-channels/{channel}/messages"), &said);
    assert!(answer.contains("I have read it."), "{answer}");
    let asked = model.requests().pop().unwrap().body["messages"].to_string();
    assert!(asked.contains("[attached text: hours.pdf]") && asked.contains("The second page is about ferries."), "{asked}");
    assert!(asked.contains("[attached and not read: bomb.pdf; "), "{asked}");
}

#[test]
fn the_files_that_a_character_names_are_taken_in_after_the_start_and_go_with_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let knowledge = directory.path().join("data/knowledge/harbour");
    std::fs::create_dir_all(&knowledge).unwrap();
    std::fs::write(knowledge.join("hours.pdf"), PDF).unwrap();
    std::fs::write(knowledge.join("boats.md"), "# Boats\n\nThe red boat is called Polly.").unwrap();
    std::fs::write(directory.path().join("data/secret.txt"), "nobody reads this").unwrap();
    let server = Server::start(directory.path(), &[]);
    let character = json!({"name": "Ada", "bio": "b", "knowledge": [{"directory": "harbour"}, {"path": "../secret.txt"}]});
    let created = server.ask("POST", "/api/agents", &json!({"characterJson": character}));
    let agent = id(&created).to_owned();
    let documents = format!("/api/memory/agents/{agent}/documents");
    let until = |good: &dyn Fn(&str) -> bool| {
        let began = Instant::now();
        loop {
            let listed = server.ask("GET", &documents, &json!({}));
            if good(&listed) {
                return listed;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "{listed}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    server.ask("POST", &format!("/api/agents/{agent}/start"), &json!({}));
    let listed = until(&|listed| listed.contains("Polly") && listed.contains("ferries"));
    assert!(!listed.contains("nobody reads this") && listed.contains("harbour/boats.md"), "{listed}");
    std::fs::remove_file(knowledge.join("boats.md")).unwrap();
    server.ask("POST", &format!("/api/agents/{agent}/restart"), &json!({}));
    until(&|listed| !listed.contains("Polly") && listed.contains("ferries"));
}

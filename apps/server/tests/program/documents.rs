//! Documents that are not text are read by the program itself, started anew.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::Server;

const PDF: &[u8] = include_bytes!("../../../../crates/contract/fixtures/hours.pdf");
const DOCX: &[u8] = include_bytes!("../../../../crates/contract/fixtures/hours.docx");

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

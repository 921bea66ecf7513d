//! The matrix: every operation and every event, asked by everybody. What `doolittle selftest authz` does, on a server of the test.

use doolittle::selftest;
use testkit::server::{KEY, TestServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_let_on_to_what_is_theirs_and_to_nothing_else() {
    let server = TestServer::with(&[("ELIZA_SERVER_AUTH_TOKEN", KEY), ("TEE_MODE", "simulator")]).await;
    let url = format!("http://{}", server.address());
    let report = selftest::on(&url, KEY, "matrix").await.unwrap_or_else(|failure| panic!("{}", failure.story()));
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.checks > selftest::operations().len() * 5, "{} checks", report.checks);
    // Nothing that was made for it is left.
    let (owner, none) = (server.key_holder(), serde_json::json!([]));
    assert_eq!(owner.get("/api/keys").await.data(200)["keys"], none);
    let agents = owner.get("/api/agents").await.data(200);
    assert_eq!(agents["agents"], none);
    let servers = owner.get("/api/messaging/central-servers").await.data(200);
    assert_eq!(servers["servers"].as_array().map(Vec::len), Some(1), "{servers}");
    let shared = format!("/api/messaging/central-servers/{}/channels", core_types::MessageServerId::DEFAULT);
    assert_eq!(owner.get(&shared).await.data(200)["channels"], none);
    assert_eq!(owner.get("/api/messaging/sessions").await.json()["sessions"], none);
    assert_eq!(owner.get("/api/messaging/jobs").await.json()["jobs"], none);
}

//! A server that answers the client verbs from a script, on a thread of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

/// The id of the agent that every list holds.
pub const ELIZA: &str = "b850bc30-45f8-0041-a00a-83df46d8555d";

/// The id of the channel of whatever two.
pub const CHANNEL: &str = "cccccccc-0000-4000-8000-000000000000";

/// What arrived: method, path with query, key, body.
#[derive(Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub key: Option<String>,
    pub body: Value,
}

/// A running fake. It ends with the test process.
pub struct Fake {
    pub address: SocketAddr,
    seen: mpsc::Receiver<Seen>,
}

impl Fake {
    /// Starts a server that streams these events as the answer to every message.
    pub fn start(stream: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("no port: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let (sender, seen) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || App::new().app_data(web::Data::new((sender.clone(), stream))).default_service(web::to(answer));
                HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run().await
            })
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that arrived since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }
}

async fn answer(request: HttpRequest, body: web::Bytes, shared: web::Data<(mpsc::Sender<Seen>, &'static str)>) -> HttpResponse {
    let (sender, stream) = shared.get_ref();
    let key = request.headers().get("x-api-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let path = request.uri().to_string();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    // The test may have seen enough.
    let _ = sender.send(Seen { method: request.method().to_string(), path: path.clone(), key: key.clone(), body });
    if key.as_deref() == Some("wrong") {
        return HttpResponse::Unauthorized().json(json!({"success": false, "error": {"code": "UNAUTHORIZED", "message": "no"}}));
    }
    match (request.method().as_str(), path.split('?').next().unwrap_or_default()) {
        ("GET", "/api/agents") => ok(&json!({"agents": [
            {"id": ELIZA, "name": "Eliza", "characterName": "Eliza", "bio": "Listens\u{1b}[31m", "status": "active"},
            {"id": "aaaaaaaa-0000-4000-8000-000000000000", "name": "Ada", "characterName": "Ada", "bio": "Reviews", "status": "inactive"},
        ]})),
        ("POST", "/api/agents") => HttpResponse::Created()
            .json(json!({"success": true, "data": {"id": "aaaaaaaa-0000-4000-8000-000000000000",
                "character": {"name": "Ada"}, "existing": false, "warnings": ["`clients` has no effect"]}})),
        ("GET", "/api/messaging/dm-channel") => ok(&json!({"id": CHANNEL, "type": "DM"})),
        ("GET", path) if path.ends_with("/messages") => ok(&json!({"messages": []})),
        ("POST", path) if path.ends_with("/messages") => HttpResponse::Ok().content_type("text/event-stream").body(*stream),
        ("DELETE", _) => HttpResponse::NoContent().finish(),
        ("POST", path) if path.ends_with("/start") || path.ends_with("/stop") => ok(&json!({"id": ELIZA, "status": "active"})),
        _ => HttpResponse::NotFound().json(json!({"success": false, "error": {"code": "NOT_FOUND", "message": "Agent not found"}})),
    }
}

fn ok(data: &Value) -> HttpResponse {
    HttpResponse::Ok().json(json!({"success": true, "data": data}))
}

//! A server of fakes, and requests to it as a client on this machine would send them.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service, try_call_service};
use auth::Keyring;
use core_types::Secret;
use doolittle_http::{AppState, HttpSettings, Services, app};
use serde_json::Value;

use crate::fakes::{Counting, Fakes, FixedClock};

pub const KEY: &str = "right-key";

pub struct Api {
    pub fakes: Arc<Fakes>,
    /// Takes in tenants' keys.
    pub keyring: Keyring,
    pub state: AppState,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts the error envelope, and returns the message.
    pub fn error(&self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!((self.status, body["error"]["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(body["success"], false, "{body}");
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        body["error"]["message"].as_str().expect("a message").to_owned()
    }

    /// Asserts the success envelope, and returns the data.
    pub fn data(&self, status: u16) -> Value {
        let mut body = self.json();
        assert_eq!((self.status, &body["success"]), (status, &Value::Bool(true)), "{body}");
        body["data"].take()
    }
}

impl Api {
    /// Without a key.
    pub fn open() -> Self {
        Self::with(None, HttpSettings::default())
    }

    /// With a key.
    pub fn keyed() -> Self {
        Self::with(Some(KEY), HttpSettings::default())
    }

    pub fn with(key: Option<&str>, settings: HttpSettings) -> Self {
        let fakes = Arc::new(Fakes::default());
        let keyring = Keyring::new(key.map(Secret::new).as_ref());
        let services = Services {
            agents: fakes.clone(),
            messaging: fakes.clone(),
            channels: fakes.clone(),
            sessions: fakes.clone(),
            jobs: fakes.clone(),
            servers: fakes.clone(),
            media: fakes.clone(),
            repeats: fakes.clone(),
            audio: fakes.clone(),
            worlds: fakes.clone(),
            memories: fakes.clone(),
            rooms: fakes.clone(),
            knowledge: fakes.clone(),
            runs: fakes.clone(),
            system: fakes.clone(),
            tee: fakes.clone(),
            clock: Arc::new(FixedClock),
            ids: Arc::new(Counting::default()),
            randomness: Arc::new(Counting::default()),
            keys: fakes.clone(),
            secrets: fakes.clone(),
            keyring: keyring.clone(),
        };
        Self { fakes, keyring, state: AppState::new(services, settings) }
    }

    /// Sends a request as it is and returns the answer with its body unread.
    pub async fn raw(&self, request: TestRequest) -> HttpResponse<BoxBody> {
        let service = init_service(app(&self.state)).await;
        match try_call_service(&service, request.to_request()).await {
            Ok(response) => response.into_parts().1,
            Err(error) => error.error_response(),
        }
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: TestRequest) -> Answer {
        let response = self.raw(request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap().to_vec();
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(local(TestRequest::get().uri(path))).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(local(TestRequest::delete().uri(path))).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(local(TestRequest::post().uri(path)).set_json(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(local(TestRequest::patch().uri(path)).set_json(body)).await
    }

    /// Posts these bytes as JSON.
    pub async fn post_bytes(&self, path: &str, body: &[u8]) -> Answer {
        self.send(json_bytes(TestRequest::post().uri(path), body)).await
    }
}

/// A request from this machine.
pub fn local(request: TestRequest) -> TestRequest {
    request.peer_addr(SocketAddr::from(([127, 0, 0, 1], 50_000))).insert_header(("host", "localhost:3000"))
}

/// A request from this machine with these bytes as its JSON body.
pub fn json_bytes(request: TestRequest, body: &[u8]) -> TestRequest {
    local(request).insert_header(("content-type", "application/json")).set_payload(body.to_vec())
}

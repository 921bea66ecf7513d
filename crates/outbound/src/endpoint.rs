//! A base URL with its credential, and the requests that go there.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use core_types::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::answer::Answer;
use crate::client::Limits;
use crate::error::{OutboundError, shown};
use crate::events::EventStream;
use crate::form::FileForm;

/// How an endpoint is told who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// `Authorization: Bearer <key>`.
    Bearer(Secret),
    /// `X-API-KEY: <key>`.
    ApiKey(Secret),
}

/// The verb of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

/// What came back where an event stream was asked for.
#[derive(Debug)]
pub enum Opened {
    /// The stream.
    Events(EventStream),
    /// A whole answer: an error status, or a server that does not stream.
    Answer(Answer),
}

/// A base URL with its credential and limits. Paths are appended to the base URL's own path and may carry a query; an empty one is the
/// base URL as it is.
#[derive(Clone)]
pub struct Endpoint {
    http: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    limits: Limits,
}

impl Endpoint {
    pub(crate) fn new(http: reqwest::Client, mut base: Url, auth: &Auth, limits: Limits) -> Result<Self, OutboundError> {
        let mut headers = HeaderMap::new();
        match auth {
            Auth::None => {}
            Auth::Bearer(key) => drop(headers.insert(AUTHORIZATION, header_value(&format!("Bearer {}", key.reveal()))?)),
            Auth::ApiKey(key) => drop(headers.insert(HeaderName::from_static("x-api-key"), header_value(key.reveal())?)),
        }
        if matches!(auth, Auth::Bearer(_)) {
            // Two `Authorization` headers would be one too many. This only fails without a host, and there is one.
            let _ = base.set_username("");
            let _ = base.set_password(None);
        }
        base.set_fragment(None);
        Ok(Self { http, base, headers, limits })
    }

    /// The same endpoint with a header on every request, its name in lower case.
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// The same endpoint with another limit on silence.
    pub fn with_idle_limit(mut self, idle: Duration) -> Self {
        self.limits.idle = idle;
        self
    }

    /// The same endpoint with another limit on the whole time of an exchange.
    pub fn with_total_limit(mut self, total: Duration) -> Self {
        self.limits.total = total;
        self
    }

    /// The base URL without credentials and query, for people.
    pub fn address(&self) -> String {
        shown(&self.base)
    }

    /// Sends a request, with a JSON body if there is one, and reads the whole answer, whatever its status.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, OutboundError> {
        let deadline = self.deadline();
        let response = self.open(method, path, body, "application/json", deadline).await?;
        self.read(response, deadline).await
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Result<Answer, OutboundError> {
        self.send(Method::Get, path, None).await
    }

    /// `POST` of a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, OutboundError> {
        self.send(Method::Post, path, Some(body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Answer, OutboundError> {
        self.send(Method::Patch, path, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<Answer, OutboundError> {
        self.send(Method::Delete, path, None).await
    }

    /// `POST` of a form with a file in the field `file`, which is read while it is sent.
    pub async fn post_file(&self, path: &str, form: FileForm) -> Result<Answer, OutboundError> {
        let deadline = self.deadline();
        let url = self.join(path);
        let request = self.http.post(url.clone()).headers(self.headers.clone()).header(ACCEPT, "application/json");
        let request = request.multipart(form.into_multipart()?);
        // A slow sender is not silent, so only the whole time counts until the answer comes.
        let sent = timeout_at(deadline.at, request.send()).await;
        let sent = sent.map_err(|_| OutboundError::TimedOut { url: shown(&url), limit: deadline.limit })?;
        let response = sent.map_err(|error| OutboundError::of_sending(&url, self.limits.idle, error))?;
        self.read(response, deadline).await
    }

    /// `POST` of a JSON body, answered by an event stream. All limits hold for the stream as a whole. A stream that ends
    /// early looks like one that ends: whoever knows the protocol looks for its last event.
    pub async fn post_event_stream(&self, path: &str, body: &Value) -> Result<Opened, OutboundError> {
        let deadline = self.deadline();
        let response = self.open(Method::Post, path, Some(body), "text/event-stream, application/json", deadline).await?;
        if !streams(&response) {
            return self.read(response, deadline).await.map(Opened::Answer);
        }
        Ok(Opened::Events(EventStream::new(response, self.limits, Some(deadline))))
    }

    /// `POST` of a body of any type.
    pub async fn post_bytes(&self, path: &str, content_type: &'static str, body: Bytes) -> Result<Answer, OutboundError> {
        let deadline = self.deadline();
        let url = self.join(path);
        let request = self.http.post(url.clone()).headers(self.headers.clone()).header(CONTENT_TYPE, content_type).body(body);
        let sent = timeout_at(deadline.at, request.send()).await;
        let sent = sent.map_err(|_| OutboundError::TimedOut { url: shown(&url), limit: deadline.limit })?;
        self.read(sent.map_err(|error| OutboundError::of_sending(&url, self.limits.idle, error))?, deadline).await
    }

    /// `GET` of an event stream to follow for as long as it lasts: only silence and the size of an event are limited.
    pub async fn get_event_stream(&self, path: &str) -> Result<Opened, OutboundError> {
        let deadline = self.deadline();
        let response = self.open(Method::Get, path, None, "text/event-stream", deadline).await?;
        if !streams(&response) {
            return self.read(response, deadline).await.map(Opened::Answer);
        }
        Ok(Opened::Events(EventStream::new(response, self.limits, None)))
    }

    fn deadline(&self) -> Deadline {
        Deadline { at: Instant::now() + self.limits.total, limit: self.limits.total }
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        accept: &'static str,
        deadline: Deadline,
    ) -> Result<reqwest::Response, OutboundError> {
        let url = self.join(path);
        let mut request = self.http.request(method.into(), url.clone()).headers(self.headers.clone()).header(ACCEPT, accept);
        if let Some(body) = body {
            request = request.json(body);
        }
        let limit = deadline.or_idle(self.limits.idle);
        match timeout_at(limit.at, request.send()).await {
            Ok(sent) => sent.map_err(|error| OutboundError::of_sending(&url, self.limits.idle, error)),
            Err(_) => Err(OutboundError::TimedOut { url: shown(&url), limit: limit.limit }),
        }
    }

    async fn read(&self, mut response: reqwest::Response, deadline: Deadline) -> Result<Answer, OutboundError> {
        let url = response.url().clone();
        let mut body = BytesMut::new();
        while let Some(chunk) = next_chunk(&mut response, deadline.or_idle(self.limits.idle)).await? {
            if body.len() + chunk.len() > self.limits.response_bytes {
                return Err(OutboundError::TooLarge { url: shown(&url), limit: self.limits.response_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::new(response.status().as_u16(), response.headers().clone(), body.freeze()))
    }

    fn join(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.base.clone();
        if !path.is_empty() {
            url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), path.trim_start_matches('/')));
        }
        if query.is_some() {
            url.set_query(query);
        }
        url
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Endpoint").field("address", &self.address()).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

/// A moment by which something must have happened, and the limit it comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// The moment at which silence from now on becomes too long.
    pub(crate) fn idle(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    /// This, or the end of tolerable silence if that is sooner.
    pub(crate) fn or_idle(self, limit: Duration) -> Self {
        let idle = Self::idle(limit);
        if idle.at < self.at { idle } else { self }
    }
}

/// The next bytes of a body; `None` at its end. Giving up the wait loses nothing.
pub(crate) async fn next_chunk(response: &mut reqwest::Response, deadline: Deadline) -> Result<Option<Bytes>, OutboundError> {
    match timeout_at(deadline.at, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(OutboundError::Cut { url: shown(response.url()), source: Box::new(error.without_url()) }),
        Err(_) => Err(OutboundError::TimedOut { url: shown(response.url()), limit: deadline.limit }),
    }
}

/// Some servers stream under another content type, so only what is plainly a document counts as one.
fn streams(response: &reqwest::Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    response.status().is_success() && !kind.contains("json") && !kind.contains("html")
}

fn header_value(text: &str) -> Result<HeaderValue, OutboundError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| OutboundError::InvalidEndpoint { message: "the key holds characters that no header can carry".to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[test]
    fn a_path_is_appended_and_an_empty_one_leaves_the_address_as_it_is() {
        for (base, path, joined) in [
            ("http://127.0.0.1/v1", "things", "http://127.0.0.1/v1/things"),
            ("http://127.0.0.1/v1/", "/things/", "http://127.0.0.1/v1/things/"),
            ("http://127.0.0.1", "things?a=b", "http://127.0.0.1/things?a=b"),
            ("http://127.0.0.1/v1?key=x", "things", "http://127.0.0.1/v1/things?key=x"),
            ("http://127.0.0.1/v1?key=x", "things?a=b", "http://127.0.0.1/v1/things?a=b"),
            ("http://127.0.0.1/keys/jwks.json", "", "http://127.0.0.1/keys/jwks.json"),
            ("http://127.0.0.1/keys?p=x", "", "http://127.0.0.1/keys?p=x"),
            ("http://127.0.0.1/keys/", "", "http://127.0.0.1/keys/"),
            ("http://127.0.0.1/keys?p=x", "?p=y", "http://127.0.0.1/keys?p=y"),
            ("http://127.0.0.1", "", "http://127.0.0.1/"),
            ("http://127.0.0.1/v1", "/", "http://127.0.0.1/v1/"),
        ] {
            let endpoint = Client::new(Limits::default()).at(base, &Auth::None).unwrap();
            assert_eq!(endpoint.join(path).as_str(), joined, "{base} {path}");
        }
    }
}

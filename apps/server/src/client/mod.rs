//! The verbs that talk to a running server, over the same API as everybody else.

use core_types::Secret;
use outbound::{Answer, Auth, Client, Endpoint, EventStream, Limits, Method, Opened, OutboundError};
use serde_json::Value;

use crate::cli::ServerArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};

pub mod agents;
pub mod chat;
mod conversation;
pub mod keys;
pub mod secrets;

/// What the server says of a path that it does not know.
const UNKNOWN_PATH: &str = "API endpoint not found";

/// A running server.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
}

impl Server {
    /// The server that the command line or the settings name.
    pub fn named(config: &Config, arguments: &ServerArgs) -> Result<Self, Failure> {
        let url = arguments.url.clone().unwrap_or_else(|| default_url(config));
        let key = arguments.key.as_deref().map(Secret::new).or_else(|| config.client_key.clone());
        let auth = key.map_or(Auth::None, Auth::ApiKey);
        let endpoint = Client::new(Limits::default()).at(&url, &auth).map_err(|error| {
            Failure::new(Exit::Usage, "the server cannot be addressed; --url takes an address such as http://127.0.0.1:3000").because(error)
        })?;
        Ok(Self { endpoint })
    }

    /// Its address.
    pub fn address(&self) -> String {
        self.endpoint.address()
    }

    /// Asks and gives back the `data` of the answer; null where there is none.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let answer = self.endpoint.send(method, path, body).await.map_err(|error| self.unreachable(error))?;
        self.read(&answer)
    }

    /// Posts a body that is answered by an event stream.
    pub async fn stream(&self, path: &str, body: &Value, limit: std::time::Duration) -> Result<EventStream, Failure> {
        let endpoint = self.endpoint.clone().with_total_limit(limit);
        match endpoint.post_event_stream(path, body).await.map_err(|error| self.unreachable(error))? {
            Opened::Events(events) => Ok(events),
            Opened::Answer(answer) => Err(self.read(&answer).err().unwrap_or_else(|| self.stranger())),
        }
    }

    fn read(&self, answer: &Answer) -> Result<Value, Failure> {
        let body: Option<Value> = if answer.body().is_empty() { Some(Value::Null) } else { answer.json().ok() };
        match (answer.status(), body) {
            (401, _) => Err(Failure::new(
                Exit::Refused,
                format!("{} wants another key; give it with --key, ELIZA_SERVER_AUTH_TOKEN or ELIZAOS_API_KEY", self.address()),
            )),
            (_, Some(mut body)) if answer.is_success() => Ok(body.get_mut("data").map(Value::take).unwrap_or(body)),
            (status, Some(body)) => {
                let said = explain(status, &body);
                let advice = misled(&said, &self.address()).unwrap_or_default();
                Err(Failure::new(Exit::Failure, said + advice))
            }
            (_, None) => Err(self.stranger()),
        }
    }

    /// The failure that an exchange came to.
    pub(crate) fn unreachable(&self, error: OutboundError) -> Failure {
        let address = self.address();
        let failure = match error {
            OutboundError::Unreachable { .. } => Failure::new(
                Exit::Unreachable,
                format!("no server answers at {address}; start one with `doolittle`, or name another with --url"),
            ),
            OutboundError::TimedOut { .. } => Failure::new(Exit::Unreachable, format!("the server at {address} does not answer in time")),
            OutboundError::InvalidEndpoint { .. } => Failure::new(Exit::Usage, format!("{address} cannot be addressed")),
            OutboundError::Cut { .. } | OutboundError::TooLarge { .. } | OutboundError::Setup { .. } => {
                Failure::new(Exit::Failure, format!("the exchange with {address} failed"))
            }
        };
        failure.because(error)
    }

    fn stranger(&self) -> Failure {
        Failure::new(Exit::Unreachable, format!("what answers at {} is not an agent server; name another with --url", self.address()))
    }
}

/// What an error answer says. elizaOS has it as an object or as a text.
pub(crate) fn explain(status: u16, body: &Value) -> String {
    let error = body.get("error");
    let message = error.and_then(|error| error.get("message").or(Some(error))).and_then(Value::as_str);
    message.map_or_else(|| format!("the server answered with status {status}"), str::to_owned)
}

/// What to do where a server was named with a path that leads past what it knows.
fn misled(said: &str, address: &str) -> Option<&'static str> {
    let place = address.split_once("://").map_or(address, |(_, place)| place);
    let has_path = place.trim_end_matches('/').contains('/');
    (said == UNKNOWN_PATH && has_path).then_some("; give the address of the server alone, without `/api` or another path after it (--url)")
}

/// Where a server with these settings is reached from this machine.
pub(crate) fn default_url(config: &Config) -> String {
    url_of(&config.server.host, config.server.port)
}

fn url_of(host: &str, port: u16) -> String {
    match host {
        "0.0.0.0" | "::" => format!("http://127.0.0.1:{port}"),
        host if host.contains(':') => format!("http://[{host}]:{port}"),
        host => format!("http://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{UNKNOWN_PATH, explain, misled, url_of};

    #[test]
    fn the_default_address_is_one_that_can_be_connected_to() {
        for (host, url) in [
            ("127.0.0.1", "http://127.0.0.1:3000"),
            ("0.0.0.0", "http://127.0.0.1:3000"),
            ("::", "http://127.0.0.1:3000"),
            ("::1", "http://[::1]:3000"),
            ("box.local", "http://box.local:3000"),
        ] {
            assert_eq!(url_of(host, 3000), url);
        }
    }

    #[test]
    fn a_path_too_much_is_told_where_it_leads_nowhere() {
        for (said, address, expected) in [
            (UNKNOWN_PATH, "http://127.0.0.1:3000/api", true),
            (UNKNOWN_PATH, "http://127.0.0.1:3000/api/", true),
            (UNKNOWN_PATH, "http://127.0.0.1:3000/", false),
            (UNKNOWN_PATH, "http://127.0.0.1:3000", false),
            ("Agent not found", "https://example.org/agents", false),
        ] {
            assert_eq!(misled(said, address).is_some(), expected, "{address}");
        }
    }

    #[test]
    fn both_forms_of_an_error_are_explained() {
        for (body, message) in [
            (json!({"error": {"code": "X", "message": "no such agent"}}), "no such agent"),
            (json!({"error": "plain"}), "plain"),
            (json!({"error": {"code": "X"}}), "the server answered with status 500"),
            (json!([]), "the server answered with status 500"),
        ] {
            assert_eq!(explain(500, &body), message);
        }
    }
}

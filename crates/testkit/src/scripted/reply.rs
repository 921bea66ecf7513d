//! What a scripted model can answer.

use serde_json::Value;
use tokio::net::tcp::OwnedWriteHalf;

use super::api::{Api, Said, Stream};
use super::wire::{begin_stream, end_stream, write_portion, write_whole};
use crate::gate::Gate;

/// One answer to a request, in the API that the request speaks. Texts and tool calls come as an event stream or as one
/// JSON document, as the request wants; their usage counts the messages of the request as input and the pieces or calls
/// as output.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A text in these pieces.
    Text(Vec<String>),
    /// A text whose every piece waits at the gate.
    Held {
        /// The pieces.
        pieces: Vec<String>,
        /// Where each of them waits.
        gate: Gate,
    },
    /// A text in these pieces, streamed in packets of one byte.
    InBytes(Vec<String>),
    /// Calls of tools, each a name and its arguments; the arguments are streamed in halves.
    ToolCalls(Vec<(String, Value)>),
    /// A status with a body, JSON unless a header says otherwise.
    Status {
        /// The status.
        code: u16,
        /// Headers to add.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// A status with an explanation, in the API's words for it.
    Refusal {
        /// The status.
        code: u16,
        /// The explanation.
        message: String,
    },
    /// A stream that ends after these pieces, without saying so; the connection breaks.
    CutAfter(Vec<String>),
    /// Nothing at all, until the caller leaves.
    Silence,
    /// A stream of something that is no answer.
    Garbage,
    /// This JSON with status 200, whatever was asked for.
    Plain(Value),
    /// The body of an event stream, written in these portions.
    Portions(Vec<Vec<u8>>),
    /// These bytes with status 200, and their type.
    Bytes(&'static str, Vec<u8>),
}

impl Reply {
    /// A text that comes word by word.
    pub fn text(text: &str) -> Self {
        Self::Text(text.split_inclusive(' ').map(str::to_owned).collect())
    }

    /// One call of a tool.
    pub fn tool_call(name: &str, arguments: Value) -> Self {
        Self::ToolCalls(vec![(name.to_owned(), arguments)])
    }

    /// A status with an explanation.
    pub fn refusal(code: u16, message: &str) -> Self {
        Self::Refusal { code, message: message.to_owned() }
    }

    /// A status that will pass at once.
    pub fn busy(code: u16) -> Self {
        Self::Status { code, headers: vec![("retry-after".to_owned(), "0".to_owned())], body: "{}".to_owned() }
    }

    /// A page of HTML with status 200.
    pub fn html() -> Self {
        Self::Status { code: 200, headers: vec![("content-type".to_owned(), "text/html".to_owned())], body: "<html>".to_owned() }
    }

    /// A status with a JSON body.
    pub fn status(code: u16, body: &str) -> Self {
        Self::Status { code, headers: Vec::new(), body: body.to_owned() }
    }

    pub(super) async fn write(self, api: Api, request: &Value, socket: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let wants_stream = request.get("stream") == Some(&Value::Bool(true));
        match self {
            Self::Text(pieces) if wants_stream => write_said(socket, &api.stream(request, Said::Text(&pieces)), None).await,
            Self::Held { pieces, gate } => write_said(socket, &api.stream(request, Said::Text(&pieces)), Some(gate)).await,
            Self::ToolCalls(calls) if wants_stream => write_said(socket, &api.stream(request, Said::Calls(&calls)), None).await,
            Self::Text(pieces) => write_json(socket, &api.document(request, Said::Text(&pieces))).await,
            Self::ToolCalls(calls) => write_json(socket, &api.document(request, Said::Calls(&calls))).await,
            Self::InBytes(pieces) => {
                let bytes: Vec<_> = api.stream(request, Said::Text(&pieces)).bytes().into_iter().map(|byte| vec![byte]).collect();
                write_portions(socket, &bytes).await
            }
            Self::Refusal { code, message } => write_whole(socket, code, &[], api.refusal(code, &message).to_string().as_bytes()).await,
            Self::Status { code, headers, body } => write_whole(socket, code, &headers, body.as_bytes()).await,
            Self::CutAfter(pieces) => {
                let Stream { opening, pieces, .. } = api.stream(request, Said::Text(&pieces));
                begin_stream(socket).await?;
                for portion in std::iter::once(opening).chain(pieces) {
                    write_portion(socket, &portion).await?;
                }
                Ok(())
            }
            Self::Silence => std::future::pending().await,
            Self::Garbage => write_portions(socket, &[b"data: <html>this is no answer</html>\n\n".to_vec()]).await,
            Self::Plain(document) => write_json(socket, &document).await,
            Self::Portions(portions) => write_portions(socket, &portions).await,
            Self::Bytes(kind, bytes) => write_whole(socket, 200, &[("content-type".to_owned(), kind.to_owned())], &bytes).await,
        }
    }
}

async fn write_json(socket: &mut OwnedWriteHalf, document: &Value) -> std::io::Result<()> {
    write_whole(socket, 200, &[], document.to_string().as_bytes()).await
}

async fn write_portions(socket: &mut OwnedWriteHalf, portions: &[Vec<u8>]) -> std::io::Result<()> {
    begin_stream(socket).await?;
    for portion in portions {
        write_portion(socket, portion).await?;
        // So that the portions are read one by one where possible.
        tokio::task::yield_now().await;
    }
    end_stream(socket).await
}

async fn write_said(socket: &mut OwnedWriteHalf, said: &Stream, gate: Option<Gate>) -> std::io::Result<()> {
    begin_stream(socket).await?;
    write_portion(socket, &said.opening).await?;
    for piece in &said.pieces {
        if let Some(gate) = &gate {
            gate.pass().await;
        }
        write_portion(socket, piece).await?;
    }
    write_portion(socket, &said.closing).await?;
    end_stream(socket).await
}

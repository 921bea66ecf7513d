//! Forms with a file, taken part by part as they arrive.

use std::future::{Ready, ready};
use std::io::{self, ErrorKind};
use std::str::FromStr;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use core_types::media::{MediaPlace, MediaService, Upload, UploadHead};
use core_types::{AgentId, Caller, RoomId};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::app::State;
use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::{idempotency_key, still_counts};
use crate::limits;

/// What a form is read for: where its file is, and what is said where there is none.
struct Kind {
    /// The fields in which the file may be, the first of them the one that errors name.
    fields: &'static [&'static str],
    missing: &'static str,
}

/// A form with a file to keep.
const MEDIA: Kind = Kind { fields: &["file"], missing: "No media file provided" };
/// A form with a document to know.
const DOCUMENT: Kind = Kind { fields: &["file", "document"], missing: "No document provided" };
/// A form with a recording.
const AUDIO: Kind = Kind { fields: &["file", "audio"], missing: "No audio file provided" };

/// Whether a body of this type is a form that may have a file in it.
pub(crate) fn is_form(content_type: &str) -> bool {
    content_type.eq_ignore_ascii_case("multipart/form-data")
}

/// A form with a file, not read yet. All of the request has one budget: the largest file, and a little for what is around it.
pub(crate) struct UploadForm {
    request: HttpRequest,
    parts: Multipart,
    limit: u64,
    idempotency_key: Option<String>,
}

/// What a form had in it.
pub(crate) struct Received<F = Box<dyn Upload>> {
    /// The file, which is nowhere yet.
    pub(crate) upload: F,
    /// The fields besides.
    pub(crate) fields: Vec<(String, String)>,
}

/// Takes a file piece by piece.
trait Sink {
    async fn take(&mut self, piece: Bytes) -> ApiResult<()>;
}

impl Sink for Box<dyn Upload> {
    async fn take(&mut self, piece: Bytes) -> ApiResult<()> {
        Ok(self.write(piece).await?)
    }
}

/// A file that is small enough for memory.
pub(crate) struct InMemory {
    /// What its sender says about it.
    pub(crate) head: UploadHead,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    limit: usize,
}

impl Sink for InMemory {
    async fn take(&mut self, piece: Bytes) -> ApiResult<()> {
        if self.bytes.len() + piece.len() > self.limit {
            return Err(too_large(self.limit as u64));
        }
        self.bytes.extend_from_slice(&piece);
        Ok(())
    }
}

impl FromRequest for UploadForm {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request.app_data::<State>().map_or(limits::UPLOAD_BYTES, |state| state.settings.upload_limit);
        let budget = limit.saturating_add(limits::UPLOAD_OVERHEAD);
        let declared = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > budget) {
            return ready(Err(too_large(limit)));
        }
        let mut left = budget;
        let counted = payload.take().map(move |piece| {
            let piece = piece?;
            left = left.checked_sub(piece.len() as u64).ok_or_else(over_budget)?;
            Ok(piece)
        });
        let parts = Multipart::new(request.headers(), counted);
        ready(idempotency_key(request).map(|idempotency_key| Self { request: request.clone(), parts, limit, idempotency_key }))
    }
}

impl UploadForm {
    /// Reads a form with a file to its end. The file goes to where files are kept while it arrives; it is dropped where the form
    /// is not as it should be.
    pub(crate) async fn receive(self, media: &dyn MediaService, caller: &Caller) -> ApiResult<Received> {
        self.receive_as(&MEDIA, async |head| Ok(media.begin(caller, head).await?)).await
    }

    /// Reads a form with a document, of so many bytes at most.
    pub(crate) async fn receive_document(self, limit: usize) -> ApiResult<Received<InMemory>> {
        self.receive_as(&DOCUMENT, async |head| Ok(InMemory { head, bytes: Vec::new(), limit })).await
    }

    /// The same of a form with a recording.
    pub(crate) async fn receive_audio(self, media: &dyn MediaService, caller: &Caller) -> ApiResult<Received> {
        self.receive_as(&AUDIO, async |head| Ok(media.begin(caller, head).await?)).await
    }

    async fn receive_as<S: Sink>(mut self, kind: &Kind, begin: impl AsyncFn(UploadHead) -> ApiResult<S>) -> ApiResult<Received<S>> {
        let end = Instant::now() + limits::UPLOAD_TIME;
        let mut upload = None;
        let mut fields = Vec::new();
        while let Some(mut part) = arrived(self.parts.next(), end, self.limit, kind).await? {
            let name = part.name().unwrap_or_default().to_owned();
            let is_file = kind.fields.contains(&name.as_str());
            if is_file && upload.is_none() {
                upload = Some(self.file(&mut part, kind, &begin, end).await?);
            } else if is_file {
                return Err(invalid("Only one file can be uploaded at a time"));
            } else if file_name(&part).is_some() {
                return Err(invalid(format!("The file must be in the field `{}`", kind.fields.first().unwrap_or(&""))));
            } else if fields.len() == limits::UPLOAD_FIELDS {
                return Err(invalid(format!("The form has more than {} fields", limits::UPLOAD_FIELDS)));
            } else {
                fields.push((name, self.text(&mut part, kind, end).await?));
            }
        }
        let upload = upload.ok_or_else(|| invalid(kind.missing))?;
        still_counts(&self.request)?;
        Ok(Received { upload, fields })
    }

    async fn file<S: Sink>(
        &self,
        part: &mut Field,
        kind: &Kind,
        begin: &impl AsyncFn(UploadHead) -> ApiResult<S>,
        end: Instant,
    ) -> ApiResult<S> {
        let head = UploadHead {
            declared_type: part.content_type().map(ToString::to_string),
            file_name: file_name(part),
            idempotency_key: self.idempotency_key.clone(),
        };
        let mut upload = begin(head).await?;
        while let Some(piece) = arrived(part.next(), end, self.limit, kind).await? {
            upload.take(piece).await?;
        }
        Ok(upload)
    }

    async fn text(&self, part: &mut Field, kind: &Kind, end: Instant) -> ApiResult<String> {
        let mut text = Vec::new();
        while let Some(piece) = arrived(part.next(), end, self.limit, kind).await? {
            text.extend_from_slice(&piece);
            if text.len() > limits::UPLOAD_FIELD_BYTES {
                return Err(invalid(format!("A field of the form has more than {} bytes", limits::UPLOAD_FIELD_BYTES)));
            }
        }
        let text = String::from_utf8(text).map_err(|_| invalid("A field of the form is not text in UTF-8"))?;
        if text.contains('\0') {
            return Err(invalid("A field of the form contains the character U+0000"));
        }
        Ok(text)
    }
}

impl Received {
    /// Where the form says that the file belongs: to the agent that it names, else to the channel.
    pub(crate) fn place(&self) -> ApiResult<MediaPlace> {
        let agent = self.id(&["agentId", "agent_id"])?.map(MediaPlace::Agent);
        let channel = self.id(&["channelId", "channel_id"])?.map(MediaPlace::Channel);
        self.id::<RoomId>(&["roomId", "room_id"])?;
        agent.or(channel).ok_or_else(|| invalid("agentId or channelId is required"))
    }

    /// The agent that the form names.
    pub(crate) fn agent(&self) -> ApiResult<AgentId> {
        self.id(&["agentId", "agent_id"])?.ok_or_else(|| invalid("agentId is required"))
    }

    fn id<T: FromStr>(&self, names: &[&str]) -> ApiResult<Option<T>> {
        let found = self.fields.iter().find(|(name, value)| names.contains(&name.as_str()) && !value.is_empty());
        let bad = |name: &str| ApiError::new(Code::InvalidId, format!("Invalid {name} format"));
        found.map(|(name, value)| value.parse().map_err(|_| bad(name))).transpose()
    }
}

/// The next of a stream of parts or pieces, which may neither be silent too long nor go on too long.
async fn arrived<T>(
    next: impl Future<Output = Option<Result<T, MultipartError>>>,
    end: Instant,
    limit: u64,
    kind: &Kind,
) -> ApiResult<Option<T>> {
    match timeout_at(end.min(Instant::now() + limits::BODY_TIME), next).await {
        Err(_) => Err(ApiError::new(Code::RequestTimeout, "The request body did not arrive in time")),
        Ok(None) => Ok(None),
        Ok(Some(Ok(arrived))) => Ok(Some(arrived)),
        Ok(Some(Err(MultipartError::Payload(PayloadError::Io(error))))) if error.kind() == ErrorKind::FileTooLarge => Err(too_large(limit)),
        // Its reader keeps more of the head of a part, or of a line between parts, than any has.
        Ok(Some(Err(MultipartError::Payload(PayloadError::Overflow)))) => {
            Err(invalid("The form cannot be read: the head of a part, or a line between parts, is too long"))
        }
        Ok(Some(Err(MultipartError::Incomplete | MultipartError::Payload(_)))) => Err(invalid("The request body ended early")),
        Ok(Some(Err(MultipartError::ContentTypeMissing | MultipartError::ContentTypeIncompatible))) => {
            Err(invalid(format!("{}: the body must be multipart/form-data", kind.missing)))
        }
        Ok(Some(Err(error))) => Err(invalid(format!("The form cannot be read: {error}"))),
    }
}

fn file_name(part: &Field) -> Option<String> {
    let disposition = part.content_disposition()?;
    let plain = disposition.get_filename().map(str::to_owned);
    plain.or_else(|| String::from_utf8(disposition.get_filename_ext()?.value.clone()).ok())
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::InvalidRequest, message)
}

/// There is more of a form than it may have. Its reader has an error of its own for what does not fit into its memory.
fn over_budget() -> PayloadError {
    PayloadError::Io(io::Error::from(ErrorKind::FileTooLarge))
}

fn too_large(limit: u64) -> ApiError {
    ApiError::new(Code::FileTooLarge, format!("The file is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use actix_web::rt;
    use actix_web::test::TestRequest;
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    /// Reads a form with a document that arrives in pieces of so many bytes.
    fn received(form: &[u8], piece: usize) -> ApiResult<Received<InMemory>> {
        let request = TestRequest::default().insert_header(("content-type", "multipart/form-data; boundary=b-b")).to_http_request();
        let pieces: Vec<_> = form.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut payload: Payload = Payload::Stream { payload: Box::pin(stream::iter(pieces)) };
        rt::System::new().block_on(async { UploadForm::from_request(&request, &mut payload).await?.receive_document(4_000).await })
    }

    /// A form as browsers write it.
    fn form(fields: &[(String, String)], file: &[u8], place: usize) -> Vec<u8> {
        let mut form = Vec::new();
        let file = |form: &mut Vec<u8>| {
            form.extend_from_slice(
                b"--b-b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\n",
            );
            form.extend_from_slice(file);
            form.extend_from_slice(b"\r\n");
        };
        for (number, (name, value)) in fields.iter().enumerate() {
            if number == place {
                file(&mut form);
            }
            form.extend_from_slice(format!("--b-b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes());
        }
        if place >= fields.len() {
            file(&mut form);
        }
        form.extend_from_slice(b"--b-b--\r\n");
        form
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_in_a_form_is_read_wherever_it_is_cut(
            fields in prop::collection::vec(("[a-eA-Z_]{1,9}", "[^\r\0]{0,60}"), 0..5),
            file in prop::collection::vec(any::<u8>(), 0..600),
            place in 0..6_usize,
            piece in 1..700_usize,
        ) {
            prop_assume!(!String::from_utf8_lossy(&file).contains("--b-b"));
            let Ok(read) = received(&form(&fields, &file, place), piece) else { return Err(TestCaseError::fail("it is refused")) };
            prop_assert_eq!(read.upload.bytes, file);
            prop_assert_eq!(read.fields, fields);
            prop_assert_eq!(read.upload.head.file_name.as_deref(), Some("a.txt"));
        }

        #[test]
        fn a_form_that_is_cut_off_is_refused(
            file in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
            piece in 1..400_usize,
        ) {
            let whole = form(&[("a".to_owned(), "b".to_owned())], &file, 1);
            // Up to the two dashes that end it.
            prop_assert!(received(&whole[..cut.index(whole.len() - 3)], piece).is_err());
        }
    }
}

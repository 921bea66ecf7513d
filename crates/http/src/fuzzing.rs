//! What the targets in `tests/fuzz/parsers` call. Compiled for them alone.

use actix_web::dev::Payload;
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use actix_web::{FromRequest as _, rt};
use futures_util::stream;

use crate::limits;
use crate::uploads::UploadForm;

/// A document of so many bytes is taken.
const MOST: usize = 4_000;

/// Reads a form with a document that arrives in pieces of so many bytes. The boundary is `b`.
pub fn form(form: &[u8], piece: usize) {
    let request = TestRequest::default().insert_header(("content-type", "multipart/form-data; boundary=b")).to_http_request();
    let pieces: Vec<_> = form.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut payload: Payload = Payload::Stream { payload: Box::pin(stream::iter(pieces)) };
    rt::System::new().block_on(async {
        let Ok(read) = UploadForm::from_request(&request, &mut payload).await else { return };
        if let Ok(received) = read.receive_document(MOST).await {
            assert!(received.upload.bytes.len() <= form.len() && received.fields.len() <= limits::UPLOAD_FIELDS);
        }
    });
}

//! Files: uploads, and how they are shown.

use testkit::caller::{Answer, Caller, Request};
use testkit::server::TestServer;

use crate::support::{ANN, NOTHING, create_agent, create_channel, open, snapshot, text, with};

const PNG: &[u8] = include_bytes!("../../../conformance/samples/pixel.png");

/// A form with a file and fields.
pub fn form(path: &str, file: (&str, &str, &[u8]), fields: &[(&str, &str)]) -> Request {
    let (name, kind, bytes) = file;
    let mut body = Vec::new();
    let head = format!("--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n");
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    for (name, value) in fields {
        body.extend_from_slice(format!("\r\n--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}").as_bytes());
    }
    body.extend_from_slice(b"\r\n--edge--\r\n");
    Request::new("POST", path).header("content-type", "multipart/form-data; boundary=edge").body(body)
}

async fn upload(caller: &Caller, path: &str, kind: &str, bytes: &[u8]) -> Answer {
    caller.send(form(path, ("a file", kind, bytes), &[])).await
}

fn url(uploaded: &Answer) -> String {
    text(&uploaded.data(200)["url"])
}

#[tokio::test]
async fn ann_uploads_a_picture_as_the_reference_shows_and_anybody_sees_it() {
    let server = TestServer::keyed().await;
    let ann = server.key_holder();
    let agent = create_agent(&ann, "Alice").await;
    server.record().name(&agent, "agent");
    let uploaded = ann.send(form("/api/media/upload", ("pixel.png", "image/png", PNG), &[("agentId", &agent), ("roomId", NOTHING)])).await;
    let data = uploaded.data(200);
    assert_eq!(data["url"], format!("/media/uploads/agents/{agent}/{}", text(&data["filename"])));
    snapshot!("file_uploaded", uploaded);
    let anybody = server.caller();
    let shown = anybody.get(&url(&uploaded)).await;
    assert_eq!((shown.status, shown.body.as_slice(), shown.header("content-length")), (200, PNG, Some("70")));
    let head = anybody.send(Request::new("HEAD", &url(&uploaded))).await;
    assert_eq!((head.status, head.header("content-length"), head.header("etag")), (200, Some("70"), shown.header("etag")));
    let part = anybody.send(Request::get(&url(&uploaded)).header("range", "bytes=1-3")).await;
    assert_eq!((part.status, part.body.as_slice(), part.header("content-range")), (206, &b"PNG"[..], Some("bytes 1-3/70")));
    let known = Request::get(&url(&uploaded)).header("if-none-match", shown.header("etag").unwrap());
    assert_eq!(anybody.send(known).await.status, 304);
}

#[tokio::test]
async fn a_file_outlives_the_server_and_is_in_its_own_place_only() {
    let (mut server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let uploaded = upload(&ann, &format!("/api/messaging/channels/{channel}/upload-media"), "text/plain", "Grüße".as_bytes()).await;
    let url = url(&uploaded);
    server.restart().await;
    let ann = server.caller();
    let shown = ann.get(&url).await;
    assert_eq!((shown.status, shown.text().as_str()), (200, "Grüße"));
    assert_eq!(shown.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(shown.header("content-disposition").unwrap().starts_with("attachment; "));
    ann.get(&url.replace(&channel, NOTHING)).await.error(404, "FILE_NOT_FOUND");
    ann.get(&url.replace("channels", "agents")).await.error(404, "FILE_NOT_FOUND");
    ann.get(&url.replace(".txt", ".png")).await.error(404, "FILE_NOT_FOUND");
    assert_eq!(ann.get(&url.to_uppercase()).await.status, 200);
}

#[tokio::test]
async fn no_name_leads_out_of_the_directory() {
    let (server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    let secret = server.directory().join("secret.key");
    assert!(secret.exists());
    for name in [
        "../../../../secret.key",
        "..%2f..%2f..%2fsecret.key",
        "..%2F..%2Fsecret.key",
        "%2e%2e/%2e%2e/secret.key",
        "%252e%252e%252fsecret.key",
        "..%5c..%5csecret.key",
        "%00",
        "x%00.png",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "file:%2f%2f%2fetc%2fpasswd",
        ".",
        "..",
        "%zz",
    ] {
        for base in
            [format!("/media/uploads/agents/{agent}"), format!("/media/uploads/channels/{agent}"), format!("/media/generated/{agent}")]
        {
            let answer = ann.get(&format!("{base}/{name}")).await;
            assert!(matches!(answer.status, 400 | 404), "{base}/{name}: {answer}");
        }
    }
    // A name in the form does as little.
    let sent = form(&format!("/api/media/agents/{agent}/upload-media"), ("../../../evil.png", "image/png", PNG), &[]);
    assert_eq!(ann.send(sent).await.data(200)["originalName"], "evil.png");
    assert!(!server.directory().join("evil.png").exists() && !server.directory().parent().unwrap().join("evil.png").exists());
}

#[tokio::test]
async fn what_is_not_what_it_is_called_is_refused_and_leaves_nothing() {
    let (server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    let path = format!("/api/media/agents/{agent}/upload-media");
    for (kind, bytes) in [
        ("image/png", &b"<html><script>alert(1)</script></html>"[..]),
        ("image/svg+xml", b"<svg onload=\"alert(1)\"/>"),
        ("image/png", b"<svg onload=\"alert(1)\"/>"),
        ("text/html", b"<p>x</p>"),
        ("application/zip", b"PK\x03\x04"),
        ("text/plain", PNG),
    ] {
        upload(&ann, &path, kind, bytes).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    snapshot!("file_of_another_type", upload(&ann, &path, "image/png", b"<html>").await);
    upload(&ann, &path, "image/png", b"").await.error(400, "INVALID_REQUEST");
    let files = std::fs::read_dir(server.directory().join("media")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(files, ["unfinished"]);
}

#[tokio::test]
async fn the_largest_file_can_be_set_and_counts_as_it_arrives() {
    let (server, ann) = with(&[("MEDIA_MAX_UPLOAD", "1mb")]).await;
    let agent = create_agent(&ann, "Alice").await;
    let path = format!("/api/media/agents/{agent}/upload-media");
    let (fits, large, huge) = (vec![b'x'; 1 << 20], vec![b'x'; (1 << 20) + 1], vec![b'x'; 8 << 20]);
    let sent = |bytes: &[u8]| form(&path, ("a.txt", "text/plain", bytes), &[]);
    assert_eq!(ann.send(sent(&fits).chunked()).await.data(200)["size"], 1 << 20);
    for request in [sent(&large), sent(&large).chunked(), sent(&huge), sent(&huge).chunked()] {
        ann.send(request).await.error(413, "FILE_TOO_LARGE");
    }
    let stored = ann.get(&url(&ann.send(sent(&fits)).await)).await;
    assert!(stored.body == fits);
    let unfinished = server.directory().join("media/unfinished");
    for _ in 0..1_000 {
        if std::fs::read_dir(&unfinished).unwrap().next().is_none() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("something is left in {}", unfinished.display());
}

#[tokio::test]
async fn a_channel_must_exist_only_where_there_is_a_key() {
    let path = format!("/api/media/channels/{NOTHING}/upload-media");
    let keyed = TestServer::keyed().await;
    upload(&keyed.key_holder(), &path, "image/png", PNG).await.error(404, "CHANNEL_NOT_FOUND");
    upload(&keyed.caller(), &path, "image/png", PNG).await.error(401, "UNAUTHORIZED");
    let (_open, ann) = open().await;
    assert_eq!(upload(&ann, &path, "image/png", PNG).await.status, 200);
}

#[tokio::test]
async fn uploads_have_a_rate_of_their_own() {
    let (_server, ann) = with(&[("RATE_LIMIT_MAX", "100"), ("RATE_LIMIT_UPLOAD_MAX", "1")]).await;
    let path = format!("/api/media/agents/{NOTHING}/upload-media");
    assert_eq!(upload(&ann, &path, "image/png", PNG).await.status, 200);
    upload(&ann, &path, "image/png", PNG).await.error(429, "UPLOAD_RATE_LIMIT_EXCEEDED");
}

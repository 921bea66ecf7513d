//! Uploads and the serving of files.

use actix_web::body::{BodySize, MessageBody as _};
use actix_web::test::TestRequest;
use core_types::ServiceError;
use core_types::Thing;
use core_types::media::{MediaPlace, MediaType, UploadHead};
use doolittle_http::HttpSettings;
use serde_json::json;

use crate::fakes::{AGENT, CHANNEL, CONTENT, Call};
use crate::support::{Answer, Api, local};

const NAME: &str = "00000000000000000000000000000007.png";

/// A form: parts with their headers, and what is in them.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend_from_slice(format!("--edge\r\n{headers}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    body
}

const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"pixel.png\"\r\nContent-Type: image/png";

fn field(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

async fn post(api: &Api, path: &str, body: Vec<u8>) -> Answer {
    let request =
        local(TestRequest::post().uri(path)).insert_header(("content-type", "multipart/form-data; boundary=edge")).set_payload(body);
    api.send(request).await
}

fn kept(api: &Api) -> (MediaPlace, Vec<u8>) {
    match api.fakes.calls().pop() {
        Some(Call::Keep(place, bytes)) => (place, bytes),
        other => panic!("nothing was kept but {other:?}"),
    }
}

#[actix_web::test]
async fn a_file_goes_where_the_path_or_the_form_says() {
    let (agent, channel) = (MediaPlace::Agent(AGENT.parse().unwrap()), MediaPlace::Channel(CHANNEL.parse().unwrap()));
    let agent_id = field("agentId");
    let (channel_id, room_id) = (field("channelId"), field("roomId"));
    let (a, c) = (AGENT.as_bytes(), CHANNEL.as_bytes());
    for (path, parts, place) in [
        (format!("/api/media/agents/{AGENT}/upload-media"), vec![(FILE, CONTENT)], agent),
        (format!("/api/media/channels/{CHANNEL}/upload-media"), vec![(FILE, CONTENT)], channel),
        (format!("/api/messaging/channels/{CHANNEL}/upload-media"), vec![(FILE, CONTENT)], channel),
        (format!("/api/messaging/central-channels/{CHANNEL}/upload-media"), vec![(FILE, CONTENT)], channel),
        ("/api/media/upload".to_owned(), vec![(FILE, CONTENT), (&agent_id, a), (&room_id, c)], agent),
        ("/api/media/upload".to_owned(), vec![(&agent_id, a), (FILE, CONTENT)], agent),
        ("/api/media/upload".to_owned(), vec![(&channel_id, c), (FILE, CONTENT)], channel),
        ("/api/media/upload".to_owned(), vec![(&channel_id, c), (&agent_id, a), (FILE, CONTENT)], agent),
    ] {
        let api = Api::open();
        let data = post(&api, &path, form(&parts)).await.data(200);
        assert_eq!(kept(&api), (place, CONTENT.to_vec()), "{path}");
        let head =
            UploadHead { declared_type: Some("image/png".to_owned()), file_name: Some("pixel.png".to_owned()), idempotency_key: None };
        assert_eq!(api.fakes.calls()[0], Call::Begin(head));
        let (url, kind) = match place {
            MediaPlace::Agent(id) => (format!("/media/uploads/agents/{id}/{NAME}"), "image"),
            MediaPlace::Channel(id) => (format!("/media/uploads/channels/{id}/{NAME}"), "image/png"),
            MediaPlace::Generated(_) => unreachable!(),
        };
        let expected =
            json!({"url": url, "type": kind, "contentType": "image/png", "filename": NAME, "originalName": "pixel.png", "size": 10});
        assert_eq!(data, expected);
    }
}

#[actix_web::test]
async fn a_form_must_have_one_file_and_little_else() {
    let path = format!("/api/media/agents/{AGENT}/upload-media");
    let field = field("x");
    let many = vec![(field.as_str(), &b"1"[..]); 17];
    let wrong = "Content-Disposition: form-data; name=\"wrong\"; filename=\"a.png\"";
    let long = "x".repeat(1_025);
    for (parts, part_of_message) in [
        (vec![(field.as_str(), &b"1"[..])], "No media file"),
        (vec![(FILE, CONTENT), (FILE, CONTENT)], "Only one file"),
        (vec![(wrong, CONTENT)], "in the field `file`"),
        (many, "more than 16 fields"),
        (vec![(field.as_str(), long.as_bytes())], "more than 1024 bytes"),
        (vec![(field.as_str(), b"\xff")], "UTF-8"),
        (vec![], "No media file"),
    ] {
        let api = Api::open();
        let message = post(&api, &path, form(&parts)).await.error(400, "INVALID_REQUEST");
        assert!(message.contains(part_of_message), "{message}");
        assert!(!api.fakes.calls().iter().any(|call| matches!(call, Call::Keep(..))));
    }
    let api = Api::open();
    let cut_off = form(&[(FILE, CONTENT)]);
    post(&api, &path, cut_off[..cut_off.len() - 20].to_vec()).await.error(400, "INVALID_REQUEST");
    post(&api, &path, b"no form at all".to_vec()).await.error(400, "INVALID_REQUEST");
    api.post_bytes(&path, b"{}").await.error(400, "INVALID_REQUEST");
    api.send(local(TestRequest::post().uri(&path))).await.error(400, "INVALID_REQUEST");
    post(&api, "/api/media/upload", form(&[(FILE, CONTENT)])).await.error(400, "INVALID_REQUEST");
    assert!(!api.fakes.calls().iter().any(|call| matches!(call, Call::Keep(..))));
}

#[actix_web::test]
async fn what_is_no_form_is_not_called_a_file_that_is_too_large() {
    let path = format!("/api/media/agents/{AGENT}/upload-media");
    for nonsense in [["--edge\r\n", &"X-Head: er\r\n".repeat(300_000)].concat(), "--".repeat(1_000_000)] {
        let api = Api::open();
        let message = post(&api, &path, nonsense.into_bytes()).await.error(400, "INVALID_REQUEST");
        assert!(message.contains("cannot be read"), "{message}");
        assert!(!api.fakes.calls().iter().any(|call| matches!(call, Call::Keep(..))));
    }
}

#[actix_web::test]
async fn ids_in_paths_and_forms_must_be_well_formed() {
    let api = Api::open();
    for path in ["/api/media/agents/x/upload-media", "/api/media/channels/x/upload-media", "/api/messaging/channels/x/upload-media"] {
        post(&api, path, form(&[(FILE, CONTENT)])).await.error(400, "INVALID_ID");
    }
    for name in ["agentId", "channelId", "roomId"] {
        let good = field("agentId");
        let parts = [(FILE, CONTENT), (&field(name), &b"x"[..]), (&good, AGENT.as_bytes())];
        post(&api, "/api/media/upload", form(&parts)).await.error(400, "INVALID_ID");
    }
    assert!(!api.fakes.calls().iter().any(|call| matches!(call, Call::Keep(..))));
}

#[actix_web::test]
async fn a_request_has_one_budget() {
    let path = format!("/api/media/agents/{AGENT}/upload-media");
    let api = Api::with(None, HttpSettings { upload_limit: 1_000, ..HttpSettings::default() });
    let declared = local(TestRequest::post().uri(&path))
        .insert_header(("content-type", "multipart/form-data; boundary=edge"))
        .insert_header(("content-length", "66537"));
    api.send(declared).await.error(413, "FILE_TOO_LARGE");
    assert_eq!(api.fakes.calls(), []);
    let large = vec![b'x'; 1_000 + 64 * 1024];
    post(&api, &path, form(&[(FILE, &large)])).await.error(413, "FILE_TOO_LARGE");
    // The service counts the file itself.
    post(&api, &path, form(&[(FILE, b"too large")])).await.error(413, "FILE_TOO_LARGE");
    assert!(!api.fakes.calls().iter().any(|call| matches!(call, Call::Keep(..))));
}

#[actix_web::test]
async fn what_the_service_refuses_is_refused() {
    let path = format!("/api/media/agents/{AGENT}/upload-media");
    let api = Api::open();
    api.fakes.fail_with(ServiceError::Unsupported { message: "The file is not image/png".to_owned() });
    post(&api, &path, form(&[(FILE, CONTENT)])).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    let keyed = Api::keyed();
    post(&keyed, &path, form(&[(FILE, CONTENT)])).await.error(401, "UNAUTHORIZED");
    assert_eq!(keyed.fakes.calls(), []);
}

fn paths() -> [String; 3] {
    [
        format!("/media/uploads/agents/{AGENT}/{NAME}"),
        format!("/media/uploads/channels/{CHANNEL}/{NAME}"),
        format!("/media/generated/{AGENT}/{NAME}"),
    ]
}

#[actix_web::test]
async fn a_file_is_served_without_a_key_and_so_that_nothing_in_it_runs() {
    let places = [
        MediaPlace::Agent(AGENT.parse().unwrap()),
        MediaPlace::Channel(CHANNEL.parse().unwrap()),
        MediaPlace::Generated(AGENT.parse().unwrap()),
    ];
    for (path, place) in paths().into_iter().zip(places) {
        let api = Api::keyed();
        let answer = api.send(TestRequest::get().uri(&path)).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, CONTENT), "{path}");
        assert_eq!(api.fakes.calls(), [Call::Find(place, NAME.parse().unwrap()), Call::Read(0..10)]);
        for (name, value) in [
            ("content-type", "image/png"),
            ("content-disposition", "inline; filename=\"pixel.png\"; filename*=UTF-8''pixel.png"),
            ("etag", "\"abababababababababababababababab\""),
            ("cache-control", "private, max-age=86400, immutable"),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("sandbox; default-src 'none';") && !policy.contains("script-src"), "{policy}");
    }
}

#[actix_web::test]
async fn what_is_no_picture_sound_or_video_is_saved() {
    for media_type in MediaType::ALL {
        let api = Api::open();
        *api.fakes.media_type.lock().unwrap() = Some(*media_type);
        let answer = api.send(TestRequest::get().uri(&paths()[0])).await;
        let shown = answer.header("content-disposition").unwrap().starts_with("inline;");
        assert_eq!(shown, !matches!(media_type, MediaType::Pdf | MediaType::Text), "{media_type:?}");
        let charset = if *media_type == MediaType::Text { "; charset=utf-8" } else { "" };
        assert_eq!(answer.header("content-type"), Some(format!("{}{charset}", media_type.mime()).as_str()));
    }
}

#[actix_web::test]
async fn a_part_is_served_as_asked_for() {
    let api = Api::open();
    let tag = "\"abababababababababababababababab\"";
    let ask = async |headers: &[(&str, &str)]| {
        let request = headers.iter().fold(TestRequest::get().uri(&paths()[0]), |request, header| request.insert_header(*header));
        api.send(request).await
    };
    for (headers, status, range, body) in [
        (&[("range", "bytes=2-4")][..], 206, Some("bytes 2-4/10"), &b"234"[..]),
        (&[("range", "bytes=-3")], 206, Some("bytes 7-9/10"), b"789"),
        (&[("range", "bytes=8-99"), ("if-range", tag)], 206, Some("bytes 8-9/10"), b"89"),
        (&[("range", "bytes=8-"), ("if-range", "\"other\"")], 200, None, CONTENT),
        (&[("range", "bytes=0-1,4-5")], 200, None, CONTENT),
        (&[("range", "lines=1-2")], 200, None, CONTENT),
        (&[("if-none-match", "\"other\"")], 200, None, CONTENT),
        (&[("if-none-match", tag)], 304, None, b""),
        (&[("if-none-match", "*"), ("range", "bytes=2-4")], 304, None, b""),
    ] {
        let answer = ask(headers).await;
        assert_eq!((answer.status, answer.header("content-range"), answer.body.as_slice()), (status, range, body), "{headers:?}");
        assert_eq!(answer.header("etag"), Some(tag), "{headers:?}");
    }
    let none = ask(&[("range", "bytes=10-")]).await;
    none.error(416, "RANGE_NOT_SATISFIABLE");
    assert_eq!(none.header("content-range"), Some("bytes */10"));
}

#[actix_web::test]
async fn a_head_request_learns_all_but_the_content() {
    let api = Api::open();
    let head = TestRequest::default().method(actix_web::http::Method::HEAD).uri(&paths()[0]);
    let answer = api.raw(head).await;
    assert_eq!((answer.status().as_u16(), answer.body().size()), (200, BodySize::Sized(10)));
    assert_eq!(answer.headers().get("content-type").unwrap(), "image/png");
    let body = Box::pin(answer.into_body());
    let read = actix_web::body::to_bytes(body).await.unwrap();
    assert!(read.is_empty());
}

#[actix_web::test]
async fn only_names_that_we_give_are_names() {
    let api = Api::open();
    for name in [
        "missing.png",
        "..%2f..%2f..%2fetc%2fpasswd",
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2fetc%2fpasswd",
        "%252e%252e%252fetc%252fpasswd",
        "..%5c..%5cetc%5cpasswd",
        "%2fetc%2fpasswd",
        "a%00.png",
        "00000000000000000000000000000007.png%00",
        "00000000000000000000000000000007.png%00.html",
        "00000000000000000000000000000007.html",
        "00000000000000000000000000000007",
        "%zz",
    ] {
        for path in paths() {
            let path = path.replace(NAME, name);
            let answer = api.send(TestRequest::get().uri(&path)).await;
            answer.error(404, "FILE_NOT_FOUND");
        }
    }
    for path in ["/media/uploads/agents/../../etc/passwd", "/media/uploads/agents/x/../y.png", "/media/uploads/agents/x%2fy/z.png"] {
        let status = api.send(TestRequest::get().uri(path)).await.status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    assert_eq!(api.fakes.calls(), []);
    for path in paths() {
        let bad = path.replace(AGENT, "zzz").replace(CHANNEL, "zzz");
        api.send(TestRequest::get().uri(&bad)).await.error(400, "INVALID_ID");
    }
    api.fakes.fail_with(ServiceError::NotFound(Thing::File));
    api.send(TestRequest::get().uri(&paths()[0])).await.error(404, "FILE_NOT_FOUND");
}

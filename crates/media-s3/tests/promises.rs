//! A bucket keeps the promises of a store of files, on a server that speaks S3: `moto_server`, started for each test, from
//! `DOOLITTLE_MOTO_SERVER` or the path. `.ci/s3-server` installs it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use core_types::MediaId;
use core_types::Secret;
use core_types::media::{MediaName, MediaStore, MediaStoreError, MediaType};
use doolittle_media_s3::{MediaS3, S3Settings};

const BUCKET: &str = "media";

/// A server that ends with its test.
struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "which server to test against is a setting of the test run alone")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Starts a server; `None`, said loudly, where there is none.
fn server() -> Option<Server> {
    let program = setting("DOOLITTLE_MOTO_SERVER").unwrap_or_else(|| "moto_server".to_owned());
    let started = Command::new(&program).args(["-H", "127.0.0.1", "-p", "0"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut process = match started {
        Ok(process) => process,
        Err(error) => {
            assert!(setting("DOOLITTLE_REQUIRE_S3").as_deref() != Some("1"), "no {program}: {error}");
            skipped(&program);
            return None;
        }
    };
    let mut said = BufReader::new(process.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "{program} says where it listens");
        if let Some((_, address)) = line.trim().split_once("Running on http://") {
            break address.to_owned();
        }
    };
    // It goes on logging, and would stop where nobody reads.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    let server = Server { process, address };
    assert!(server.ask(&format!("PUT /{BUCKET}")).starts_with("HTTP/1.1 200"));
    Some(server)
}

/// Says aloud that a test did nothing, past the test runner, which keeps what a passing test prints to itself.
fn skipped(program: &str) {
    static SKIPPED: AtomicU32 = AtomicU32::new(0);
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED {count}: {test} (no {program}; .ci/s3-server installs it)");
}

impl Server {
    /// Sends a bare request, and returns the whole answer.
    fn ask(&self, what: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let request = format!("{what} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", self.address);
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn settings(&self) -> S3Settings {
        S3Settings {
            bucket: BUCKET.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}/", self.address)),
            prefix: "files/of doolittle".to_owned(),
            credentials: Some((Secret::new("id"), Secret::new("key"))),
        }
    }
}

async fn make() -> Option<(Arc<dyn MediaStore>, Server)> {
    let server = tokio::task::spawn_blocking(server).await.unwrap()?;
    Some((Arc::new(MediaS3::new(&server.settings()).unwrap()), server))
}

contract::media_contract!(make);

const NAME: MediaName = MediaName::new(MediaId::from_bits(7), MediaType::Png);

async fn put(store: &MediaS3, bytes: &'static [u8]) {
    let mut writer = store.create(NAME).await.unwrap();
    writer.write(bytes.into()).await.unwrap();
    writer.finish().await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_noticed_and_no_secret_is_shown() {
    let Some(server) = server() else { return };
    let there = MediaS3::new(&server.settings()).unwrap();
    there.check().await.unwrap();
    assert_eq!(there.describe(), format!("bucket media at http://{}/", server.address));
    let credentials = Some((Secret::new("id"), Secret::new("a-secret-key")));
    let missing = MediaS3::new(&S3Settings { bucket: "missing".to_owned(), credentials, ..server.settings() }).unwrap();
    let failure = missing.check().await.expect_err("no bucket");
    assert!(!format!("{failure:?} {missing:?}").contains("a-secret-key"));
}

#[tokio::test]
async fn what_others_keep_in_the_bucket_is_left_alone() {
    let Some(server) = server() else { return };
    let ours = MediaS3::new(&server.settings()).unwrap();
    let theirs = MediaS3::new(&S3Settings { prefix: String::new(), ..server.settings() }).unwrap();
    put(&ours, b"ours").await;
    put(&theirs, b"theirs").await;
    for path in ["/media/files/of%20doolittle/readme.txt", "/media/files/of%20doolittle/deeper/00000000000000000000000000000008.png"] {
        assert!(server.ask(&format!("PUT {path}")).starts_with("HTTP/1.1 200"), "{path}");
    }
    for store in [&ours, &theirs] {
        let listed = store.list(None, 10).await.unwrap();
        assert_eq!(listed.iter().map(|stored| stored.name).collect::<Vec<_>>(), [NAME]);
        assert!(listed[0].written_at.iso().as_str() > "2024", "{listed:?}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_unavailable() {
    let endpoint = Some("http://127.0.0.1:1".to_owned());
    let settings = S3Settings {
        bucket: BUCKET.to_owned(),
        region: "us-east-1".to_owned(),
        endpoint,
        prefix: String::new(),
        credentials: Some((Secret::new("id"), Secret::new("key"))),
    };
    let store = MediaS3::new(&settings).unwrap();
    assert!(matches!(store.metadata(NAME).await, Err(MediaStoreError::Unavailable(_))));
}

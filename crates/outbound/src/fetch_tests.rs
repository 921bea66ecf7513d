use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that gives every request the answer that `answer` makes of its path.
async fn serving(answer: fn(&str, SocketAddr) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
                let path = head.split(' ').nth(1).unwrap();
                socket.write_all(answer(path, address).as_bytes()).await.unwrap();
            });
        }
    });
    address
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

#[tokio::test]
async fn what_is_there_is_fetched_with_its_type_and_no_more_than_asked_for() {
    let address = serving(|path, _| match path {
        "/text" => ok("hello"),
        "/endless" => format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(100_000)),
        "/moved" => moved("/text?a=b"),
        "/text?a=b" => ok("there"),
        _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    })
    .await;
    let fetcher = PublicFetcher::by(is_loopback);
    let fetch = async |path: &str, limit| fetcher.fetch(&format!("http://ann:pass@{address}{path}"), limit).await;
    assert_eq!(fetch("/text", 5).await, Ok(Fetched { content_type: "text/plain".to_owned(), bytes: "hello".into() }));
    assert_eq!(fetch("/text", 4).await, Err(FetchError::TooLarge { limit: 4 }));
    assert_eq!(fetch("/endless", 1_000).await, Err(FetchError::TooLarge { limit: 1_000 }));
    assert_eq!(fetch("/moved", 100).await.unwrap().bytes, "there");
    assert!(matches!(fetch("/nothing", 100).await, Err(FetchError::Failed { reason }) if reason.contains("404")));
}

#[tokio::test]
async fn redirects_are_checked_like_addresses_and_do_not_go_on_for_ever() {
    let address = serving(|path, address| match path {
        "/metadata" => moved("http://169.254.169.254/latest/meta-data/"),
        "/file" => moved("file:///etc/passwd"),
        "/localhost" => moved(&format!("http://localhost:{}/text", address.port())),
        "/text" => ok("reached"),
        _ => moved("/round"),
    })
    .await;
    // By number alone: the name `localhost` then is as private as it really is.
    let only_numbers = PublicFetcher { rule: is_loopback, ..PublicFetcher::new() };
    let fetch = async |path: &str| only_numbers.fetch(&format!("http://{address}{path}"), 100).await;
    assert_eq!(fetch("/text").await.unwrap().bytes, "reached");
    for path in ["/metadata", "/file", "/localhost"] {
        assert!(matches!(fetch(path).await, Err(FetchError::Forbidden { .. })), "{path}");
    }
    assert!(matches!(fetch("/round").await, Err(FetchError::Failed { reason }) if reason.contains("too often")));
}

#[tokio::test]
async fn what_is_not_public_is_not_even_asked() {
    let address = serving(|_, _| panic!("asked")).await;
    let fetcher = PublicFetcher::new();
    for url in [
        format!("http://{address}/"),
        format!("http://localhost:{}/", address.port()),
        format!("http://[::ffff:127.0.0.1]:{}/", address.port()),
        format!("http://2130706433:{}/", address.port()),
        format!("http://0x7f.1:{}/", address.port()),
        "http://10.0.0.1/".to_owned(),
        "http://[::1]/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://example.org/".to_owned(),
        "/media/x.png".to_owned(),
        "data:text/plain,x".to_owned(),
    ] {
        let outcome = fetcher.fetch(&url, 100).await;
        assert!(matches!(outcome, Err(FetchError::Forbidden { .. })), "{url}: {outcome:?}");
    }
}

#[test]
fn special_addresses_are_not_public() {
    for (address, expected) in [
        ("1.1.1.1", true),
        ("93.184.216.34", true),
        ("172.15.0.1", true),
        ("172.16.0.1", false),
        ("192.168.1.1", false),
        ("10.1.2.3", false),
        ("127.0.0.1", false),
        ("0.0.0.0", false),
        ("169.254.169.254", false),
        ("100.63.255.255", true),
        ("100.64.0.1", false),
        ("100.127.255.255", false),
        ("100.128.0.0", true),
        ("198.19.255.255", false),
        ("224.0.0.1", false),
        ("255.255.255.255", false),
        ("2606:4700:4700::1111", true),
        ("::1", false),
        ("::", false),
        ("fc00::1", false),
        ("fe80::1", false),
        ("ff02::1", false),
        ("2001:db8::1", false),
        ("2001::1", false),
        ("::ffff:10.0.0.1", false),
        ("::ffff:1.1.1.1", true),
        ("64:ff9b::a00:1", false),
        ("64:ff9b::101:101", true),
        ("64:ff9b:1::a00:1", false),
        ("2002:a00:1::", false),
        ("2002:101:101::", true),
    ] {
        assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
    }
}

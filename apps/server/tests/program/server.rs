//! A server in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command;

/// A server of its own process; it ends with the test.
pub struct Server {
    process: Child,
    address: String,
    /// What it says, when it has ended.
    said: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts it, with its data in `data` of the directory.
    pub fn start(directory: &Path, environment: &[(&str, &str)]) -> Self {
        let arguments = ["--port", "0", "--data-dir", "data", "--default-agent=false"];
        let mut process = command(directory, environment, &arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let address = lines.by_ref().find_map(|line| {
            let address = line.split_once("listens on http://").map(|(_, address)| address.trim().to_owned());
            said.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("the server does not start: {}", said.join("\n")));
        let said = std::thread::spawn(move || {
            said.extend(lines);
            said.join("\n")
        });
        Self { process, address, said: Some(said) }
    }

    /// Waits until it has ended by itself. Its code, and all that it said.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            sleep(Duration::from_millis(20));
        };
        (status.code(), self.said())
    }

    /// Ends it. All that it said.
    pub fn killed(mut self) -> String {
        self.process.kill().unwrap();
        self.said()
    }

    fn said(&mut self) -> String {
        self.said.take().map(|said| said.join().unwrap()).unwrap_or_default()
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a JSON body; the answer, which must be a success, with its head.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> String {
        self.send(method, path, "application/json", body.to_string().as_bytes())
    }

    /// The same for any body.
    pub fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then the test has failed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

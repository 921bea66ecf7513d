//! The verb `serve`, up to the point where there is a configuration, a locked data directory and a bound port.

use std::io;
use std::net::{SocketAddr, TcpListener};

use tokio::net::TcpSocket;

use crate::config::{Config, ServerConfig};
use crate::exit::{Exit, Failure};
use crate::lock::DataLock;
use crate::{data_dir, wiring};

/// Serves until told to stop.
pub async fn run(config: Config) -> Result<(), Failure> {
    let addresses = resolve(&config.server).await?;
    check_bind(&config.server, &addresses)?;
    data_dir::prepare(&config.data_dir)?;
    let lock = DataLock::take(&config.data_dir)?;
    let listener = bind(&config.server, &addresses)?;
    wiring::serve(config, listener, lock).await
}

/// How many connections may wait to be taken in, if the system allows so many; what comes beyond is late by a second, or cut off. The
/// standard library has 128, which a thousand clients that come back at once exceed.
const BACKLOG: u32 = 4_096;

async fn resolve(server: &ServerConfig) -> Result<Vec<SocketAddr>, Failure> {
    let unknown = || Failure::new(Exit::Usage, format!("the host name {:?} (--host, SERVER_HOST) is not known", server.host));
    let addresses = tokio::net::lookup_host((server.host.as_str(), server.port)).await.map_err(|error| unknown().because(error))?;
    let addresses: Vec<SocketAddr> = addresses.collect();
    if addresses.is_empty() { Err(unknown()) } else { Ok(addresses) }
}

/// Without a key, whoever reaches the port drives the agents: that must be said aloud.
fn check_bind(server: &ServerConfig, addresses: &[SocketAddr]) -> Result<(), Failure> {
    if server.key.is_some() || server.insecure || addresses.iter().all(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        format!(
            "refusing to listen on {} without a key, since whoever reaches it could use and change the agents; \
             set ELIZA_SERVER_AUTH_TOKEN, or listen on 127.0.0.1, or say --insecure",
            server.host
        ),
    ))
}

fn bind(server: &ServerConfig, addresses: &[SocketAddr]) -> Result<TcpListener, Failure> {
    listen(addresses).map_err(|error| {
        let (host, port) = (&server.host, server.port);
        let (exit, message) = match error.kind() {
            io::ErrorKind::AddrInUse => (
                Exit::PortTaken,
                format!("port {port} on {host} is taken by another program; stop it, or choose another port with --port (SERVER_PORT)"),
            ),
            io::ErrorKind::PermissionDenied => {
                (Exit::Failure, format!("this user may not listen on port {port}; choose one above 1023 with --port (SERVER_PORT)"))
            }
            io::ErrorKind::AddrNotAvailable => {
                (Exit::Usage, format!("this machine does not have the address {host}; choose another with --host (SERVER_HOST)"))
            }
            _ => (Exit::Failure, format!("cannot listen on {host}, port {port}")),
        };
        Failure::new(exit, message).because(error)
    })
}

/// Listens at the first address that lets us.
fn listen(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut refused = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match listen_at(*address) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port is free though connections of an earlier process are not quite over; elsewhere the word means something else.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

#[cfg(test)]
mod tests {
    use core_types::Secret;

    use super::{bind, check_bind, resolve};
    use crate::config::{Config, ServerConfig, SettingId, Sources};
    use crate::exit::Exit;

    fn server(host: &str, port: u16) -> ServerConfig {
        let mut sources = Sources { working_dir: "/nonexistent".into(), ..Sources::default() };
        sources.flags.insert(SettingId::DataDir, "/nonexistent/data".to_owned());
        sources.flags.insert(SettingId::Host, host.to_owned());
        sources.flags.insert(SettingId::Port, port.to_string());
        Config::load(&sources).unwrap().server
    }

    #[tokio::test]
    async fn only_loopback_needs_neither_key_nor_flag() {
        for (host, loopback) in
            [("127.0.0.1", true), ("127.8.8.8", true), ("::1", true), ("localhost", true), ("0.0.0.0", false), ("::", false)]
        {
            let bare = server(host, 0);
            let addresses = resolve(&bare).await.unwrap();
            assert_eq!(check_bind(&bare, &addresses).is_ok(), loopback, "{host}");
            let keyed = ServerConfig { key: Some(Secret::new("k")), ..bare.clone() };
            assert!(check_bind(&keyed, &addresses).is_ok(), "{host} with a key");
            let insecure = ServerConfig { insecure: true, ..bare };
            assert!(check_bind(&insecure, &addresses).is_ok(), "{host} with --insecure");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_told_with_a_way_out() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = server("127.0.0.1", taken.local_addr().unwrap().port());
        let failure = bind(&server, &resolve(&server).await.unwrap()).unwrap_err();
        assert_eq!(failure.exit, Exit::PortTaken);
        assert!(failure.message.contains(&server.port.to_string()) && failure.message.contains("--port"), "{failure}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn many_may_come_at_once() {
        let server = server("127.0.0.1", 0);
        let listener = bind(&server, &resolve(&server).await.unwrap()).unwrap();
        let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let many = allowed.trim().parse::<usize>().unwrap().min(400);
        let (address, soon) = (listener.local_addr().unwrap(), std::time::Duration::from_millis(900));
        // Nobody takes them in yet. One for which there is no room is tried again after a second.
        let waiting: Result<Vec<_>, _> = (0..many).map(|_| std::net::TcpStream::connect_timeout(&address, soon)).collect();
        assert_eq!(waiting.unwrap().len(), many);
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told() {
        let server = server("192.0.2.1", 0);
        assert_eq!(bind(&server, &resolve(&server).await.unwrap()).unwrap_err().exit, Exit::Usage);
    }
}

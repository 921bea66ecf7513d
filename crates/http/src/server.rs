//! Running the application on a listener, and stopping it without cutting anybody off.

use std::future::ready;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::Arc;

use actix_http::HttpServiceBuilder;
use actix_http::error::DispatchError;
use actix_service::{ServiceFactoryExt as _, map_config};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Extensions, Server, ServerHandle, ServiceFactory, fn_service};
use actix_web::rt::net::TcpStream;

use crate::app::{AppState, app};
use crate::limits;
use crate::pace::Paced;

mod connections;

pub(crate) use connections::{ConnectionSlot, Connections};

/// A server that accepts connections as long as it is awaited.
pub struct RunningServer {
    server: Server,
    stopper: Stopper,
}

/// Stops a running server.
#[derive(Clone)]
pub struct Stopper {
    handle: ServerHandle,
    state: AppState,
}

/// Starts serving on a bound listener. Signals are left to the program. Must be called inside a Tokio runtime.
pub fn run(listener: TcpListener, state: AppState) -> io::Result<RunningServer> {
    let settings = &state.0.settings;
    let mut builder = Server::build()
        .max_concurrent_connections(settings.connections_per_worker)
        .shutdown_timeout(settings.shutdown_time.as_secs())
        .disable_signals();
    if let Some(workers) = settings.workers {
        builder = builder.workers(workers);
    }
    bound_what_is_not_read(&listener);
    let (workers_state, stopping) = (state.clone(), builder.graceful_shutdown_signal());
    let service = move || {
        let stopping = stopping.clone();
        let stop = move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        };
        http(&workers_state, stop)
    };
    let server = builder.listen("http", listener, service)?.run();
    let stopper = Stopper { handle: server.handle(), state };
    Ok(RunningServer { server, stopper })
}

/// Speaks HTTP on connections, each read at its pace, until they should stop. This is what actix's `HttpServer` does, which has no place
/// for what is between a connection and HTTP.
fn http<S, F>(state: &AppState, stop: S) -> impl ServiceFactory<TcpStream, Config = ()> + use<S, F>
where
    S: Fn() -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    let protocol = HttpServiceBuilder::<Paced, _>::default()
        .keep_alive(limits::IDLE_TIME)
        .client_request_timeout(limits::HEAD_TIME)
        .client_disconnect_timeout(limits::PARTING_TIME)
        // Whoever closes is gone, and so is what was kept for it: places, turns, polls. One that only ends its sending cannot be told
        // apart. Services do what must not be left half done as a whole.
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(stop)
        .on_connect_ext(|connection: &Paced, data: &mut Extensions| {
            data.insert(connection.pace());
        })
        .h1::<_, BoxBody>(map_config(app(state), |()| AppConfig::default()));
    let connections = Arc::clone(&state.0.connections);
    let paced = move |stream: TcpStream| {
        let peer = stream.peer_addr().ok();
        let slot = connections.take(peer.map(|peer| peer.ip()));
        // Whose address has its share is closed without an answer, for which the connection would have to be kept.
        let connection = slot.map(|slot| (Paced::new(stream, slot), peer));
        ready(connection.ok_or_else(|| DispatchError::Io(ErrorKind::ConnectionRefused.into())))
    };
    fn_service(paced).and_then(protocol)
}

/// A peer that takes nothing of what is sent to it would keep its connection for ever, also one that is being closed, and the system
/// would hold megabytes for it. Bounded is what cannot be sent yet. A send buffer of a fixed size would bound what is under way as well,
/// and with it how fast a peer that is far away may download. Connections inherit both from their listener.
#[cfg(target_os = "linux")]
fn bound_what_is_not_read(listener: &TcpListener) {
    let socket = socket2::SockRef::from(listener);
    if let Err(error) = socket.set_tcp_user_timeout(Some(limits::UNREAD_TIME)) {
        log::warn!("connections whose peers do not read are kept: {error}");
    }
    if let Err(error) = socket.set_tcp_notsent_lowat(limits::UNSENT_BYTES) {
        log::warn!("the system takes much for connections whose peers do not read: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
const fn bound_what_is_not_read(_: &TcpListener) {}

impl RunningServer {
    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until it is stopped.
    pub async fn wait(self) -> io::Result<()> {
        self.server.await
    }
}

impl Stopper {
    /// Stops accepting, ends event streams, lets running requests finish within the shutdown time, and returns when all
    /// is done. The server must still be awaited meanwhile.
    pub async fn stop(&self) {
        self.state.close();
        self.handle.stop(true).await;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn the_system_takes_little_for_a_peer_that_does_not_read_and_all_for_one_that_does() {
        const MUCH: usize = 1 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        bound_what_is_not_read(&listener);
        let peer = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        // Else the peer's end takes much by itself.
        peer.set_recv_buffer_size(16 * 1024).unwrap();
        peer.connect(&listener.local_addr().unwrap().into()).unwrap();
        let (mut connection, _) = listener.accept().unwrap();
        connection.set_nonblocking(true).unwrap();
        let mut taken = 0;
        let refused = loop {
            match connection.write(&[b'x'; 4 * 1024]) {
                Ok(bytes) => taken += bytes,
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        assert!(taken < 2 * usize::try_from(limits::UNSENT_BYTES).unwrap(), "{taken}");
        connection.set_nonblocking(false).unwrap();
        let reading = std::thread::spawn(move || {
            let mut read = Vec::new();
            TcpStream::from(peer).read_to_end(&mut read).map(|_| read.len())
        });
        connection.write_all(&vec![b'x'; MUCH - taken]).unwrap();
        drop(connection);
        assert_eq!(reading.join().unwrap().unwrap(), MUCH);
    }
}

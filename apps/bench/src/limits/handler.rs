//! The bare handler: actix-web with a constant answer. It is a process of its own, as the server is, with the server's
//! allocator and as many workers.

use std::io::Read as _;
use std::thread;

use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;

use crate::cli::Common;
use crate::failure::{During, Outcome, say};
use crate::scenarios::PING;
use crate::target::workers;

/// Serves until standard input ends, which it does when the process that started this one is gone.
pub fn serve(bytes: usize, common: &Common) -> Outcome<()> {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let body = Bytes::from(vec![b'.'; bytes]);
    let constant = move || {
        let body = body.clone();
        App::new().route(PING, web::get().to(move || std::future::ready(answer(body.clone()))))
    };
    System::new().block_on(async {
        let server = HttpServer::new(constant).workers(workers(common).into()).bind(("127.0.0.1", 0)).during("taking a port")?;
        for address in server.addrs() {
            say(format!("the bare handler listens on http://{address}"));
        }
        server.run().await.during("serving")
    })
}

fn answer(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body)
}

//! From the arguments to the exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use actix_web::rt::System;
use log::LevelFilter;

use crate::cli::{self, Cli, TeeVerb, Verb};
use crate::client;
use crate::config::{self, Config, Sources};
use crate::exit::{Exit, Failure};
use crate::{care, logging, migrate, moving, open_files, selftest, serve, tee};

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(asked) => {
            // Help and version come this way too; a closed pipe is no reason to complain.
            let _ = asked.print();
            return u8::try_from(asked.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    // Within narrow bounds, and with nothing of ours around it.
    if let Some(Verb::ReadDocument { format }) = &cli.verb {
        return documents::serve(format);
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{}", failure.story());
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let verb = cli.verb.unwrap_or(Verb::Serve);
    // These say the same whatever the settings are.
    match &verb {
        Verb::Config { markdown: true, .. } => return print(&config::show::markdown()),
        Verb::Openapi => return print(&http_api::openapi_document()),
        Verb::Tee { verb: TeeVerb::Verify(args) } => return tee::verify::run(args),
        _ => {}
    }
    let environment = config::environment::settings().map_err(|problems| invalid(&config::InvalidConfig { problems }))?;
    let program_path = config::environment::program_path();
    let sources = Sources { flags: cli.settings.0, environment, file: cli.config, working_dir: std::path::PathBuf::new(), program_path };
    let config = Config::load(&sources).map_err(|error| invalid(&error))?;
    logging::start(level(&verb, config.log_level));
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    match verb {
        Verb::Serve => {
            open_files::raise();
            system()?.block_on(serve::run(config))
        }
        Verb::Migrate(args) => system()?.block_on(migrate::run(&config, &args)),
        Verb::Import(args) => system()?.block_on(moving::import::run(&config, args)),
        Verb::Export(args) => system()?.block_on(moving::export::run(&config, args)),
        Verb::Backup(args) => system()?.block_on(care::run(&config, args)),
        Verb::Restore(args) => system()?.block_on(care::restore::run(&config, args)),
        Verb::Verify(args) => system()?.block_on(care::verify::run(&config, args)),
        Verb::Repair(args) => system()?.block_on(care::repair::run(&config, args)),
        Verb::Chat(chat) => system()?.block_on(client::chat::run(&config, chat)),
        Verb::Agent { verb, server, json } => system()?.block_on(client::agents::run(&config, verb, &server, json)),
        Verb::Selftest { verb } => system()?.block_on(selftest::run(&config, verb)),
        Verb::Secrets { verb, server, json } => system()?.block_on(client::secrets::run(&config, verb, &server, json)),
        Verb::Key { verb, server, json } => system()?.block_on(client::keys::run(&config, verb, &server, json)),
        Verb::Config { json: true, .. } => print(&format!("{:#}\n", config::show::json(&config))),
        Verb::Config { .. } => print(&config::show::text(&config)),
        Verb::Openapi | Verb::Tee { .. } | Verb::ReadDocument { .. } => Ok(()),
    }
}

fn invalid(error: &config::InvalidConfig) -> Failure {
    Failure::new(Exit::Usage, format!("the settings do not make sense:\n  {error}"))
}

/// Only the server tells what it does; the other verbs print their results and are otherwise quiet.
fn level(verb: &Verb, level: LevelFilter) -> LevelFilter {
    if *verb == Verb::Serve || level > LevelFilter::Info { level } else { level.min(LevelFilter::Warn) }
}

/// An actix system on tokio's threaded scheduler: HTTP workers bring their own threads, agents work on tokio's.
pub fn system() -> Result<actix_web::rt::SystemRunner, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, "the system gives no threads to work with").because(error))?;
    Ok(System::with_tokio_rt(|| runtime))
}

/// Writes to standard output. A reader that has seen enough is not an error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failure, "standard output cannot be written").because(error))
        }
        _ => Ok(()),
    }
}

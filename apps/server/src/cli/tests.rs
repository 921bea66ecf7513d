//! The command line: what is read, and what is refused.

use super::{AgentVerb, Cli, MigrateArgs, ServerArgs, TeeVerb, Verb, command, parse};
use crate::config::SettingId;
use crate::exit;

fn read(line: &str) -> Cli {
    parse(line.split_whitespace()).unwrap()
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn no_verb_means_serve_with_the_given_settings() {
    let cli = read("doolittle --port 4000 --insecure --default-agent=false --config my.toml");
    assert_eq!(cli.verb, None);
    assert_eq!(cli.config.unwrap().to_str(), Some("my.toml"));
    let flags: Vec<_> = cli.settings.0.iter().map(|(id, value)| (*id, value.as_str())).collect();
    assert_eq!(flags, [(SettingId::DefaultAgent, "false"), (SettingId::Port, "4000"), (SettingId::Insecure, "true")]);
}

#[test]
fn settings_may_stand_after_the_verb() {
    let cli = read("doolittle migrate --data-dir elsewhere");
    assert_eq!(cli.verb, Some(Verb::Migrate(MigrateArgs::default())));
    assert_eq!(cli.settings.0.get(&SettingId::DataDir).map(String::as_str), Some("elsewhere"));
}

#[test]
fn every_verb_is_read() {
    let server = ServerArgs { url: Some("http://h:1".to_owned()), key: Some("k".to_owned()) };
    let agent = read("doolittle agent start Ada --json --url http://h:1 --key k").verb;
    assert_eq!(agent, Some(Verb::Agent { verb: AgentVerb::Start { name: "Ada".to_owned() }, server, json: true }));
    let Some(Verb::Chat(chat)) = parse(["doolittle", "chat", "--once", "Hello there"]).unwrap().verb else {
        panic!("not a chat");
    };
    assert_eq!((chat.once.as_deref(), chat.agent, chat.server), (Some("Hello there"), None, ServerArgs::default()));
    for line in
        ["doolittle serve", "doolittle agent list", "doolittle agent remove x", "doolittle agent create -", "doolittle config --json"]
    {
        assert!(read(line).verb.is_some(), "{line}");
    }
}

#[test]
fn what_moves_in_is_a_path_or_a_database() {
    let from = |line: &str| match read(line).verb {
        Some(Verb::Import(args)) => (args.path.and_then(|path| path.to_str().map(str::to_owned)), args.from_postgres, args.yes),
        other => panic!("{other:?}"),
    };
    assert_eq!(from("doolittle import characters --yes"), (Some("characters".to_owned()), None, true));
    assert_eq!(from("doolittle import --from-postgres -"), (None, Some("-".to_owned()), false));
    let Some(Verb::Export(args)) = read("doolittle export Ada --out a.jsonl").verb else { panic!("no export") };
    assert_eq!((args.agent.as_str(), args.out.unwrap().to_str()), ("Ada", Some("a.jsonl")));
    for bad in ["import", "import a b", "import a --from-postgres b", "export", "export Ada --yes"] {
        assert_eq!(parse(format!("doolittle {bad}").split_whitespace()).unwrap_err().exit_code(), 2, "{bad}");
    }
}

#[test]
fn care_takes_places_and_a_moment() {
    let Some(Verb::Restore(args)) = read("doolittle restore --from b.tar --until 2026-01-01T00:00:00Z --log l --replace").verb else {
        panic!("no restore")
    };
    assert_eq!((args.from.to_str(), args.log.unwrap().to_str(), args.replace), (Some("b.tar"), Some("l"), true));
    assert_eq!(args.until.unwrap().iso(), "2026-01-01T00:00:00.000Z");
    let whole = "doolittle restore --from b --log l --media m";
    let verify = ["doolittle verify --backup b --json", "doolittle verify --log l --json"];
    for line in [whole, "doolittle backup", verify[0], verify[1], "doolittle repair", "doolittle migrate --down"] {
        assert!(read(line).verb.is_some(), "{line}");
    }
    let bad_verify = ["verify b", "verify --log l --backup b"];
    let bad_restore = ["restore", "restore --from b --media m", "restore --from b --until soon"];
    for bad in [&bad_restore[..], &bad_verify, &["backup b"]].concat() {
        assert_eq!(parse(format!("doolittle {bad}").split_whitespace()).unwrap_err().exit_code(), 2, "{bad}");
    }
}

#[test]
fn a_check_takes_a_time_and_a_nonce() {
    let line = "doolittle tee verify a.json --collateral c.json --at 2026-01-01T00:00:00Z --nonce C0FFEE --allow-simulated";
    let Some(Verb::Tee { verb: TeeVerb::Verify(args) }) = read(line).verb else { panic!("no check") };
    assert_eq!((args.file.to_str(), args.collateral.unwrap().to_str()), (Some("a.json"), Some("c.json")));
    assert_eq!(args.at.unwrap().iso(), "2026-01-01T00:00:00.000Z");
    assert_eq!((args.nonce.unwrap().hex().as_str(), args.allow_simulated), ("c0ffee", true));
    for bad in ["tee", "tee verify", "tee verify a --at yesterday", "tee verify a --nonce xyz"] {
        assert_eq!(parse(format!("doolittle {bad}").split_whitespace()).unwrap_err().exit_code(), 2, "{bad}");
    }
}

#[test]
fn mistakes_end_with_the_code_for_usage() {
    for line in ["doolittle dance", "doolittle --prot 1", "doolittle agent", "doolittle config --json --markdown"] {
        assert_eq!(parse(line.split_whitespace()).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn the_manual_names_every_setting_flag_and_exit_code() {
    let manual = command().render_long_help().to_string();
    for id in SettingId::ALL {
        assert!(manual.contains(id.setting().name), "{}", id.setting().name);
        if let Some(flag) = id.setting().flag {
            assert!(manual.contains(&format!("--{flag}")), "{flag}");
        }
    }
    for (code, meaning) in exit::MEANINGS {
        assert!(manual.contains(&format!("  {code}  {meaning}")), "{code}");
    }
    for section in ["Usage:", "Commands:", "Settings:", "Examples:", "Environment:", "Files:", "Exit status:"] {
        assert!(manual.contains(section), "{section}");
    }
}

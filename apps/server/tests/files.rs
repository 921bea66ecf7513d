//! Files of the repository that must agree with the program.

use std::path::{Path, PathBuf};

use core_types::character;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_sample_character_is_accepted_without_a_warning() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(repository().join("characters")).unwrap() {
        let path = entry.unwrap().path();
        let parsed = character::parse(&serde_json::from_str(&read(&path)).unwrap()).unwrap();
        assert_eq!(parsed.warnings, Vec::<String>::new(), "{}", path.display());
        assert!(parsed.secrets.is_empty(), "{}", path.display());
        names.push(parsed.character.name.to_lowercase());
        assert_eq!(path.file_stem().unwrap().to_str(), names.last().map(String::as_str));
    }
    names.sort();
    assert_eq!(names, ["ada", "eliza", "quill", "tally"]);
}

#[test]
fn the_table_of_settings_in_the_docs_is_the_programs_own() {
    let docs = read(&repository().join("docs/operations.md"));
    let table = doolittle::config::show::markdown();
    assert!(docs.contains(&table), "docs/operations.md must contain what `doolittle config --markdown` prints:\n{table}");
}

#[test]
fn the_openapi_document_is_what_the_handlers_say() {
    let checked_in = read(&repository().join("docs/openapi.json"));
    let made = http_api::openapi_of_annotations();
    assert!(
        made == checked_in,
        "docs/openapi.json is not what the handlers say; write it anew: cargo run -p doolittle-http --example openapi"
    );
    assert!(http_api::openapi_document() == checked_in, "the program has another document than docs/openapi.json");
}

#[test]
fn the_docs_name_every_exit_code() {
    let docs = read(&repository().join("docs/operations.md"));
    for (code, meaning) in doolittle::exit::MEANINGS {
        assert!(docs.contains(&format!("| {code} | {meaning} |")), "{code}: {meaning}");
    }
}

#[test]
fn the_test_command_of_the_readme_is_the_one_that_ci_runs() {
    let readme = read(&repository().join("README.md"));
    let command = readme.lines().find(|line| line.starts_with("cargo test")).unwrap();
    assert!(read(&repository().join(".ci/run")).contains(&format!(" {command}\n")), "{command}");
}

//! Reads the manifests of the workspace and refuses every dependency that the architecture does not allow. Edges of
//! tests and examples (dev-dependencies) are free, but for the rules that say otherwise.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Our crates that a crate may depend on; `None` for all of them. A new crate gets a line here, with its reason in
/// `docs/`, before it gets a dependency.
fn allowed(crate_name: &str) -> Option<&'static [&'static str]> {
    Some(match crate_name {
        "doolittle" | "doolittle-testkit" => return None,
        // Programs that tests start see no dev-dependencies; nothing of these packages is shipped.
        name if is_of_tests(name) => return None,
        // It measures from outside, as a client, and starts the server as a program; recall alone it measures by itself.
        "bench" => &["doolittle-core-types", "doolittle-persistence", "doolittle-recall"],
        "doolittle-http" => &["doolittle-core-types", "doolittle-auth", "doolittle-realtime"],
        "doolittle-domain" | "doolittle-runtime" => &["doolittle-core-types", "doolittle-auth"],
        "doolittle-bus"
        | "doolittle-auth"
        | "doolittle-realtime"
        | "doolittle-contract"
        | "doolittle-documents"
        | "doolittle-outbound"
        | "doolittle-recall"
        | "doolittle-persistence"
        | "doolittle-tee" => &["doolittle-core-types"],
        name if name.starts_with("doolittle-models-") => &["doolittle-core-types", "doolittle-outbound"],
        name if ["doolittle-embed-", "doolittle-media-", "doolittle-speech-"].iter().any(|adapter| name.starts_with(adapter)) => {
            &["doolittle-core-types"]
        }
        // `core-types`, and whatever is not known here yet.
        _ => &[],
    })
}

/// Who may name a library, in any kind of dependency; nobody else.
const EXCLUSIVE: &[(&[&str], &[&str])] = &[
    (
        &["diesel", "diesel-async", "diesel_migrations", "libsqlite3-sys", "scheduled-thread-pool", "tokio-postgres-rustls"],
        &["doolittle-persistence"],
    ),
    // The program's tests fill a database as an elizaOS server leaves it, and the crash suite makes and cuts off those it tests with; the
    // program itself does not speak to one.
    (&["tokio-postgres"], &["doolittle-persistence", "doolittle", "recovery-tests"]),
    // Templates of characters are rendered by runs alone.
    (&["handlebars"], &["doolittle-runtime"]),
    // The limits that the server is held against are SQLite and actix without the server; Diesel cannot make backups; and the program's
    // tests damage databases, while the program itself does not speak to one.
    (&["rusqlite"], &["bench", "doolittle-persistence", "doolittle"]),
    // The program needs actix's system to run the server in.
    (&["actix-http", "actix-service"], &["doolittle-http"]),
    (&["actix-web", "actix-ws", "actix-multipart", "actix-files"], &["doolittle-http", "doolittle", "bench"]),
    // Object storage comes with its own client of the same library, whose TLS its adapter must choose; the guest agent of dstack is
    // behind a socket of this machine, where the guarded client does not go.
    (&["reqwest"], &["doolittle-outbound", "doolittle-media-s3", "doolittle-tee"]),
    (&["object_store"], &["doolittle-media-s3"]),
    // They break on what was made for it, and so nothing else reads with them.
    (&["pdf-extract", "quick-xml"], &["doolittle-documents"]),
    // The same, and the edge takes the reader of its document out of an archive when it is built.
    (&["zip"], &["doolittle-documents", "doolittle-http"]),
    (&["dcap-qvl"], &["doolittle-tee"]),
];

/// What `core-types` must not name: it does no I/O and knows no framework.
const NOT_IN_CORE: &[&str] = &["tokio", "actix-web", "diesel", "diesel-async", "reqwest", "log", "env_logger", "clap", "rustls"];

fn is_of_tests(package: &str) -> bool {
    // The conformance suite is a program too, and has a name that one can type.
    package.ends_with("-tests") || package == "conformance"
}

fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap_or_else(|error| panic!("cargo metadata: {error}"))
}

fn ours(metadata: &Metadata) -> BTreeSet<String> {
    metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect()
}

fn names(package: &Package, kinds: &[DependencyKind]) -> BTreeSet<String> {
    package.dependencies.iter().filter(|dependency| kinds.contains(&dependency.kind)).map(|dependency| dependency.name.clone()).collect()
}

const SHIPPED: &[DependencyKind] = &[DependencyKind::Normal, DependencyKind::Build];
const ANY: &[DependencyKind] = &[DependencyKind::Normal, DependencyKind::Build, DependencyKind::Development];

#[track_caller]
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_whole_workspace_is_seen() {
    let found = ours(&workspace());
    for name in ["doolittle", "doolittle-core-types", "doolittle-http", "doolittle-persistence", "layering-tests", "conformance"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn every_edge_between_our_crates_is_an_allowed_one() {
    let metadata = workspace();
    let ours = ours(&metadata);
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = allowed(&package.name) else { continue };
        let edges = names(package, SHIPPED);
        problems.extend(
            edges
                .iter()
                .filter(|edge| ours.contains(*edge) && !allowed.contains(&edge.as_str()))
                .map(|edge| format!("{} -> {edge}", package.name)),
        );
    }
    assert_none(&problems);
}

#[test]
fn contract_and_testkit_are_never_shipped() {
    let metadata = workspace();
    let mut problems = Vec::new();
    for package in
        metadata.workspace_packages().into_iter().filter(|package| *package.name != "doolittle-testkit" && !is_of_tests(&package.name))
    {
        let shipped = names(package, SHIPPED);
        problems.extend(
            ["doolittle-contract", "doolittle-testkit"]
                .into_iter()
                .filter(|name| shipped.contains(*name))
                .map(|name| format!("{} -> {name}", package.name)),
        );
    }
    assert_none(&problems);
}

#[test]
fn a_library_that_belongs_to_one_layer_is_named_by_no_other() {
    let metadata = workspace();
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let named = names(package, ANY);
        for (libraries, owners) in EXCLUSIVE.iter().filter(|(_, owners)| !owners.contains(&package.name.as_str())) {
            problems.extend(
                libraries
                    .iter()
                    .filter(|library| named.contains(**library))
                    .map(|library| format!("{} -> {library}, which belongs to {}", package.name, owners.join(" and "))),
            );
        }
    }
    assert_none(&problems);
}

#[test]
fn the_program_speaks_to_databases_through_persistence_alone() {
    let metadata = workspace();
    let package = metadata.workspace_packages().into_iter().find(|package| *package.name == "doolittle").unwrap();
    for driver in ["tokio-postgres", "rusqlite"] {
        assert!(!names(package, SHIPPED).contains(driver), "the program itself depends on {driver}");
    }
}

#[test]
fn core_types_does_no_io_and_knows_no_framework() {
    let metadata = workspace();
    let package = metadata.workspace_packages().into_iter().find(|package| *package.name == "doolittle-core-types").unwrap();
    let named = names(package, SHIPPED);
    let problems: Vec<String> =
        NOT_IN_CORE.iter().filter(|library| named.contains(**library)).map(|library| format!("core-types -> {library}")).collect();
    assert_none(&problems);
}

#[test]
fn nothing_depends_on_a_package_of_tests() {
    let metadata = workspace();
    let problems: Vec<String> = metadata
        .workspace_packages()
        .into_iter()
        .flat_map(|package| {
            names(package, ANY).into_iter().filter(|name| is_of_tests(name)).map(move |name| format!("{} -> {name}", package.name))
        })
        .collect();
    assert_none(&problems);
}

/// The dependency tables of a manifest, those for one platform included.
fn dependencies(manifest: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut found = Vec::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        match key.as_str() {
            "dependencies" | "dev-dependencies" | "build-dependencies" => found.extend(table.clone()),
            "target" => found.extend(table.values().filter_map(toml::Value::as_table).flat_map(dependencies)),
            _ => {}
        }
    }
    found
}

#[test]
fn every_manifest_takes_dependencies_lints_and_edition_from_the_workspace() {
    let metadata = workspace();
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        let from_workspace =
            |value: Option<&toml::Value>| value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true);
        if !from_workspace(manifest.get("lints")) {
            problems.push(format!("{} has lints of its own", package.name));
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !from_workspace(manifest.get("package").and_then(|table| table.get(key))) {
                problems.push(format!("{} has a {key} of its own", package.name));
            }
        }
        let foreign = dependencies(&manifest).into_iter().filter(|(_, value)| !from_workspace(Some(value)));
        problems.extend(foreign.map(|(name, _)| format!("{} -> {name} is not from [workspace.dependencies]", package.name)));
    }
    assert_none(&problems);
}

#[test]
fn nothing_in_the_table_of_dependencies_is_unused() {
    let metadata = workspace();
    let used: BTreeSet<String> = metadata.workspace_packages().into_iter().flat_map(|package| names(package, ANY)).collect();
    let root: toml::Table = std::fs::read_to_string(metadata.workspace_root.join("Cargo.toml")).unwrap().parse().unwrap();
    let table = root.get("workspace").and_then(|workspace| workspace.get("dependencies")).and_then(toml::Value::as_table).unwrap();
    let problems: Vec<String> = table
        .iter()
        .map(|(key, value)| value.get("package").and_then(toml::Value::as_str).unwrap_or(key))
        .filter(|name| !used.contains(*name))
        .map(|name| format!("{name} is in the table and nobody uses it"))
        .collect();
    assert_none(&problems);
}

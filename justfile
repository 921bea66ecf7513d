# Commands for work on Doolittle. `just` lists them; nothing here is needed to build, run or test.

default:
    @just --list

# Compile everything, tests included
check:
    cargo check --workspace --all-targets

# Run all tests
test:
    cargo test --workspace

# Run the published clients of elizaOS against the server; parts (api-client, socket, cli, ui) may follow
clients *parts:
    tests/clients/run {{ parts }}

# Format check and lints, as CI runs them
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Build the documentation of the crates
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Check licences, sources and bans of dependencies
deny:
    cargo deny check --hide-inclusion-graph bans licenses sources

# Build and start the server; settings may follow
run *arguments:
    cargo run --release -- {{ arguments }}

# Talk to an agent of the running server
chat *arguments:
    cargo run --release -- chat {{ arguments }}

# Measure the server; a scenario and its options may follow
bench *arguments="all":
    cargo build --release
    cargo run --release -p bench -- {{ arguments }}

# Measure everything with the curves of growth, and write docs/performance.md; --quick may follow
report *arguments:
    cargo build --release
    cargo run --release -p bench -- report {{ arguments }}

# Everything at once, for half an hour or so many minutes: does the server's memory stay as it is?
soak minutes="30":
    cargo build --release
    cargo run --release -p bench -- soak --strict --minutes {{ minutes }}

# Kill, cut the power, let the disk and PostgreSQL fail: 500 rounds of each or so many, on a release build
crash rounds="500":
    cargo build --release -p recovery-tests
    DOOLITTLE_RECOVERY_SERVER="$(pwd)/target/release/recovery-server" DOOLITTLE_RECOVERY_ROUNDS={{ rounds }} \
        cargo test -p recovery-tests --test kill -- --nocapture

# Everything that CI runs
ci:
    .ci/run

# Write docs/openapi.json anew
openapi:
    cargo run -p doolittle-http --example openapi

//! The code in `docs/extending.md` is the code of the examples, which compile and keep the promises.

/// The Rust blocks of a Markdown text.
fn rust_blocks(markdown: &str) -> Vec<&str> {
    markdown.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_code_in_the_documentation_is_the_code_that_compiles() {
    let blocks = rust_blocks(include_str!("../../../docs/extending.md"));
    for (name, code) in
        [("echo_provider", include_str!("../examples/echo_provider.rs")), ("coin_action", include_str!("../examples/coin_action.rs"))]
    {
        assert!(blocks.contains(&code), "docs/extending.md does not hold crates/contract/examples/{name}.rs as it is");
    }
    assert_eq!(blocks.len(), 2, "a Rust block in docs/extending.md has no example that compiles it");
}

//! The code in the documentation is code that compiles: of the examples, which keep the promises, and of the crates.

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

#[test]
fn the_way_of_an_endpoint_is_the_way_of_one_that_is_there() {
    let source = [include_str!("../../core-types/src/messaging/channels.rs"), include_str!("../../http/src/channels.rs")].concat();
    let blocks = rust_blocks(include_str!("../../../docs/adding-an-endpoint.md"));
    assert_eq!(blocks.len(), 2);
    for line in blocks.iter().flat_map(|block| block.lines()).map(str::trim) {
        assert!(source.contains(line), "docs/adding-an-endpoint.md shows a line that is nowhere: {line}");
    }
}

//! The text of an HTML document. Read for its words, not to be shown: no tree is built, and whatever is not well formed is
//! read as well as it goes.

/// Elements whose content is no text.
const HIDDEN: [&str; 6] = ["script", "style", "noscript", "template", "svg", "iframe"];
/// Elements that stand beside the text around them.
const INLINE: [&str; 22] = [
    "a", "abbr", "b", "bdi", "cite", "code", "em", "font", "i", "kbd", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup",
    "u", "var", "wbr",
];
/// The most bytes of a reference between `&` and `;`.
const LONGEST_NAME: usize = 8;

/// Names of characters that are written often; others stay as they are written.
const NAMED: [(&str, &str); 19] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("copy", "\u{a9}"),
    ("reg", "\u{ae}"),
    ("mdash", "\u{2014}"),
    ("ndash", "\u{2013}"),
    ("hellip", "\u{2026}"),
    ("lsquo", "\u{2018}"),
    ("rsquo", "\u{2019}"),
    ("ldquo", "\u{201c}"),
    ("rdquo", "\u{201d}"),
    ("euro", "\u{20ac}"),
    ("bull", "\u{2022}"),
    ("laquo", "\u{ab}"),
    ("raquo", "\u{bb}"),
];

/// The text of a document, its blocks set apart by empty lines, and its title.
pub(super) fn read(html: &str) -> (String, Option<String>) {
    let (mut text, mut title) = (String::new(), String::new());
    let mut in_title = false;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        push(if in_title { &mut title } else { &mut text }, before);
        let (element, after) = element(tag);
        rest = after;
        match element {
            Element::None => push(if in_title { &mut title } else { &mut text }, "<"),
            Element::Comment => {}
            Element::Begin(name) if HIDDEN.contains(&name.as_str()) => rest = behind_end(rest, &name),
            Element::Begin(name) if name == "title" && title.is_empty() => in_title = true,
            Element::End(name) if name == "title" => in_title = false,
            Element::Begin(name) | Element::End(name) if INLINE.contains(&name.as_str()) => {}
            Element::Begin(name) if name == "br" || name == "td" || name == "th" => text.push_str(if name == "br" { "\n" } else { " " }),
            Element::Begin(_) | Element::End(_) => text.push_str("\n\n"),
        }
    }
    push(if in_title { &mut title } else { &mut text }, rest);
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    (tidied(&text), (!title.is_empty()).then_some(title))
}

enum Element {
    Begin(String),
    End(String),
    Comment,
    /// A `<` that is only a sign.
    None,
}

/// What begins with this `<`, and what is behind it.
fn element(tag: &str) -> (Element, &str) {
    let inner = tag.get(1..).unwrap_or_default();
    if let Some(comment) = inner.strip_prefix("!--") {
        return (Element::Comment, comment.find("-->").and_then(|at| comment.get(at + 3..)).unwrap_or_default());
    }
    if inner.starts_with(['!', '?']) {
        return (Element::Comment, inner.find('>').and_then(|at| inner.get(at + 1..)).unwrap_or_default());
    }
    let (ends, named) = inner.strip_prefix('/').map_or((false, inner), |named| (true, named));
    let length = named.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let (name, attributes) = named.split_at(length);
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return (Element::None, inner);
    }
    let name = name.to_ascii_lowercase();
    (if ends { Element::End(name) } else { Element::Begin(name) }, behind_attributes(attributes))
}

/// What is behind the `>` that ends a tag; one in quotes does not.
fn behind_attributes(attributes: &str) -> &str {
    let mut quote = None;
    let mut after_equals = false;
    for (at, letter) in attributes.char_indices() {
        match (quote, letter) {
            (None, '>') => return attributes.get(at + 1..).unwrap_or_default(),
            (None, '"' | '\'') if after_equals => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
        after_equals = letter == '=' || after_equals && letter.is_whitespace();
    }
    ""
}

/// What is behind the end of an element whose content does not count.
fn behind_end<'t>(text: &'t str, name: &str) -> &'t str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let end = rest.get(at..).unwrap_or_default();
        let (element, after) = element(end);
        if matches!(element, Element::End(ended) if ended == name) {
            return after;
        }
        rest = end.get(2..).unwrap_or_default();
    }
    ""
}

/// Adds text with its named characters resolved. Line ends are spaces.
fn push(text: &mut String, raw: &str) {
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        let (before, reference) = rest.split_at(at);
        push_spaced(text, before);
        let (resolved, after) = resolve(reference);
        text.push_str(resolved.as_deref().unwrap_or("&"));
        rest = after;
    }
    push_spaced(text, rest);
}

fn push_spaced(text: &mut String, plain: &str) {
    text.extend(plain.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }));
}

/// The character that a reference stands for, and what is behind it.
fn resolve(reference: &str) -> (Option<String>, &str) {
    let inner = reference.get(1..).unwrap_or_default();
    // No further, lest each of many `&` without an end looks through all that follows.
    let end = inner.bytes().take(LONGEST_NAME + 1).position(|byte| byte == b';');
    let named = end.and_then(|end| Some((inner.get(..end)?, inner.get(end + 1..)?)));
    let resolved = named.and_then(|(name, after)| {
        let number = name.strip_prefix('#').map(|number| match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        });
        let character = match number {
            Some(number) => number.and_then(char::from_u32).map(String::from),
            None => NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| (*character).to_owned()),
        };
        character.map(|character| (Some(character), after))
    });
    resolved.unwrap_or((None, inner))
}

/// One space between words, one empty line between blocks.
fn tidied(text: &str) -> String {
    let mut tidy = String::new();
    let mut gap = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            gap = true;
            continue;
        }
        if !tidy.is_empty() {
            tidy.push_str(if gap { "\n\n" } else { "\n" });
        }
        gap = false;
        tidy.push_str(&words.join(" "));
    }
    tidy
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read;

    fn text(html: &str) -> String {
        read(html).0
    }

    #[test]
    fn the_words_are_read_and_nothing_else() {
        let page = "<!DOCTYPE html><html><head><title>The\n Shop</title><style>p > a {x:1}</style><script>if (a</b) '</scr';</script>\
            </head><body class=\"a>b\"><!-- no <p>comment --><h1>Open&nbsp;hours</h1><p>From <b>nine</b> to\nfive &amp; later.<br>Bring \
            a &lt;bag&gt; &#8212; or &#x1F986;.</p><ul><li>One<li>Two</ul><template>hidden</template></body></html>";
        let expected = "Open hours\n\nFrom nine to five & later.\nBring a <bag> \u{2014} or \u{1f986}.\n\nOne\n\nTwo";
        assert_eq!(read(page), (expected.to_owned(), Some("The Shop".to_owned())));
    }

    #[test]
    fn what_is_not_well_formed_is_read_as_well_as_it_goes() {
        assert_eq!(text("1 < 2 and 3<4 <"), "1 < 2 and 3<4 <");
        let many = "&amp".repeat(200_000);
        assert_eq!(text(&many).len(), many.len(), "each is looked at once");
        assert_eq!(text("a&b &unknown; &#xd800; &#99999999; &"), "a&b &unknown; &#xd800; &#99999999; &");
        assert_eq!(text("<p>open <a href='x"), "open");
        assert_eq!(text("<script>never ended"), "");
        assert_eq!(text("before<!-- never ended"), "before");
        assert_eq!(text("<P>Caf\u{e9}</P >x</p"), "Caf\u{e9}\n\nx");
        assert_eq!(read(""), (String::new(), None));
        assert_eq!(read("<title> </title>"), (String::new(), None));
        assert_eq!(text("<table><tr><td>a</td><td>b</td></tr></table>"), "a\n\nb");
    }

    proptest! {
        #[test]
        fn any_text_is_read(html in "(<|>|&|;|/|=|'|\"|!|-|script|title|[a-z#é🦆 \n]){0,80}") {
            read(&html);
        }
    }
}

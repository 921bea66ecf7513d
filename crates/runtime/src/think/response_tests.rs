use super::*;

#[derive(Default)]
struct Shown(Mutex<String>);

impl TextSink for Shown {
    fn push(&self, piece: &str) {
        self.0.lock().push_str(piece);
    }
}

/// Every way to cut the answer in two, and letter by letter.
fn shown_in_pieces(whole: &str) -> Vec<(String, Response)> {
    let cuts = whole.char_indices().map(|(index, _)| vec![&whole[..index], &whole[index..]]);
    let letters = whole.char_indices().map(|(index, letter)| &whole[index..index + letter.len_utf8()]).collect();
    cuts.chain([letters])
        .map(|pieces| {
            let shown = Shown::default();
            let reader = ResponseReader::new(&shown);
            for piece in pieces {
                reader.push(piece);
            }
            let response = reader.finish(whole);
            let text = shown.0.lock().clone();
            (text, response)
        })
        .collect()
}

#[test]
fn what_is_shown_is_the_text_however_the_answer_is_cut() {
    for (whole, text, thought, actions) in [
        ("Hello <b>there</b> & you", "Hello <b>there</b> & you", None, vec![]),
        ("<respond>no</respond>", "<respond>no</respond>", None, vec![]),
        (
            "<response><name>X</name><thought>t &amp; u</thought><actions>REPLY, MUTE_ROOM</actions><text>a &lt; b &amp;lt; ü</text></response>",
            "a < b &lt; ü",
            Some("t & u"),
            vec!["REPLY", "MUTE_ROOM"],
        ),
        ("  <response><actions>IGNORE</actions><text></text></response>", "", None, vec!["IGNORE"]),
        ("<response><text>cut short, a &", "cut short, a &", None, vec![]),
        ("<response><text>no closing tag</response>", "no closing tag", None, vec![]),
    ] {
        for (shown, response) in shown_in_pieces(whole) {
            assert_eq!(response.text, text, "{whole:?}");
            assert_eq!(response.thought.as_deref(), thought, "{whole:?}");
            assert_eq!(response.actions, actions, "{whole:?}");
            assert!(text.starts_with(&shown) || shown.starts_with(text), "{whole:?} showed {shown:?}");
            assert_eq!(shown, text, "{whole:?}");
        }
    }
}

//! What came of moving in, for a person.

use std::fmt::Write as _;

use domain::Report;

use crate::terminal;

/// The report as text. Without `stored` it was only looked at.
pub(super) fn text(report: &Report, stored: bool) -> String {
    let mut text = String::new();
    if report.tallies().next().is_none() {
        text.push_str("nothing was found\n");
    }
    let columns = if stored { "found       new  there before   left out  not understood" } else { "found  not understood" };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:<14}{columns:>width$}", "", width = columns.len() + 4);
    for (kind, tally) in report.tallies() {
        let kind = kind.to_string();
        let _ = if stored {
            let (new, existing, left, refused) = (tally.new, tally.existing, tally.left, tally.refused);
            writeln!(text, "{kind:<14}{:>9}{new:>10}{existing:>14}{left:>11}{refused:>16}", tally.found)
        } else {
            writeln!(text, "{kind:<14}{:>9}{:>16}", tally.found, tally.refused)
        };
    }
    let mut notes = report.notes().peekable();
    if notes.peek().is_some() {
        text.push_str("\nto know:\n");
    }
    for (note, count) in notes {
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let _ = writeln!(text, "  {}{times}", terminal::line(note));
    }
    if report.more_notes() > 0 {
        let _ = writeln!(text, "  and {} more", report.more_notes());
    }
    text
}

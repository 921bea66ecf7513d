//! Line charts as SVG: both axes by tens, readable on light and dark ground.

use std::fmt::Write as _;

/// The size of a chart, and the place of its axes.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 500.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 350.0;

/// Colours that are told apart on either ground, also by most who see few colours (Okabe and Ito, "Color universal design", 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

const STYLE: &str = "text{font:13px sans-serif;fill:#24292f}.grid{stroke:#d0d7de}.back{fill:#fff}\
     @media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#3d444d}.back{fill:#0d1117}}";

/// A line of a chart: its name, and points of positive numbers.
pub struct Series {
    /// What it shows.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// The tens that enclose some numbers, as exponents.
fn decades(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (least, most) =
        numbers.filter(|number| *number > 0.0).fold((f64::MAX, 0.0_f64), |(least, most), number| (least.min(number), most.max(number)));
    if most <= 0.0 {
        return None;
    }
    let (low, high) = (least.log10().floor(), most.log10().ceil());
    Some((low, if high > low { high } else { low + 1.0 }))
}

/// A chart of lines; `None` where there is nothing to show.
pub fn chart(title: &str, (across, up): (&str, &str), series: &[Series]) -> Option<String> {
    let points = || series.iter().flat_map(|series| &series.points);
    let (from_x, to_x) = decades(points().map(|point| point.0))?;
    let (from_y, to_y) = decades(points().map(|point| point.1))?;
    let x = |number: f64| LEFT + (number.log10() - from_x) / (to_x - from_x) * (RIGHT - LEFT);
    let y = |number: f64| BOTTOM - (number.log10() - from_y) / (to_y - from_y) * (BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{title}</title><style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n<text x=\"{LEFT}\" y=\"24\" font-weight=\"bold\">{}</text>\n",
        escaped(title),
        title = escaped(title),
    );
    // Writing to a String cannot fail.
    for ten in tens(from_x, to_x) {
        let (x, label) = (x(ten), number(ten));
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/><text x=\"{x:.1}\" y=\"367\" text-anchor=\"middle\">{label}</text>"
        );
    }
    for ten in tens(from_y, to_y) {
        let (y, label) = (y(ten), number(ten));
        let (at, below) = (LEFT - 8.0, y + 4.0);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text x=\"{at}\" y=\"{below:.1}\" text-anchor=\"end\">{label}</text>"
        );
    }
    let (middle, height) = (f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM));
    let _ = writeln!(svg, "<text x=\"{middle}\" y=\"390\" text-anchor=\"middle\">{}</text>", escaped(across));
    let _ = writeln!(svg, "<text transform=\"translate(16 {height}) rotate(-90)\" text-anchor=\"middle\">{}</text>", escaped(up));
    for ((place, series), colour) in series.iter().enumerate().zip(COLOURS.iter().cycle()) {
        let shown = series.points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(across, up)| (x(*across), y(*up)));
        let path: Vec<String> = shown.clone().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let _ = writeln!(svg, "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" d=\"M{}\"/>", path.join("L"));
        for (x, y) in shown {
            let _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
        let line = TOP + 12.0 + 20.0 * f64::from(u16::try_from(place).unwrap_or(u16::MAX));
        let (dot, text) = (RIGHT + 16.0, RIGHT + 26.0);
        let name = escaped(&series.name);
        let _ = writeln!(
            svg,
            "<circle cx=\"{dot}\" cy=\"{line}\" r=\"4\" fill=\"{colour}\"/><text x=\"{text}\" y=\"{}\">{name}</text>",
            line + 4.0
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The powers of ten from one exponent to another.
fn tens(from: f64, to: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(from), |exponent| Some(exponent + 1.0))
        .take_while(move |exponent| *exponent <= to)
        .map(|exponent| 10_f64.powf(exponent))
}

/// A power of ten as it is read.
fn number(ten: f64) -> String {
    if ten >= 1e6 {
        format!("{:.0} M", ten / 1e6)
    } else if ten >= 1e3 {
        format!("{:.0} k", ten / 1e3)
    } else if ten >= 1.0 {
        format!("{ten:.0}")
    } else {
        format!("{ten:.4}").trim_end_matches('0').to_owned()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, points: &[(f64, f64)]) -> Series {
        Series { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn tens_are_evenly_apart_and_named() {
        let lines = [series("a < b", &[(1_000.0, 0.5), (10_000.0, 1.0), (1_000_000.0, 20.0)])];
        let svg = chart("Reads & posts", ("messages", "ms"), &lines).unwrap();
        // Three decades over 430: a thousand at the left end, a million at the right.
        for part in [
            "M70.0 ",
            "L213.3 ",
            "L500.0 ",
            ">1 k<",
            ">1 M<",
            ">0.1<",
            ">100<",
            "a &lt; b",
            "Reads &amp; posts",
            "prefers-color-scheme:dark",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 3 + 1);
    }

    #[test]
    fn one_point_has_room_and_nothing_has_no_chart() {
        let svg = chart("one", ("n", "ms"), &[series("a", &[(10.0, 1.0)])]).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(chart("none", ("n", "ms"), &[series("a", &[])]).is_none());
        assert!(chart("zero", ("n", "ms"), &[series("a", &[(0.0, 0.0)])]).is_none());
    }
}

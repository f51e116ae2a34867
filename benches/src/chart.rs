//! Bars of a run, as SVG: a panel for each row of rates, each on its own scale.

use std::fmt::Write as _;

use crate::report::{Report, counts, distinct, short};

const PANEL_WIDTH: usize = 430;
const NAME_WIDTH: usize = 80;
const FIGURE_WIDTH: usize = 60;
const ROW_HEIGHT: usize = 17;
const TITLE_HEIGHT: usize = 30;
const COLUMNS: usize = 2;
const MARGIN: usize = 16;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.figure{fill:#57606a}\
.ours{fill:#0969da}.other{fill:#b8c0c9}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.figure{fill:#9198a1}.ours{fill:#4493f8}.other{fill:#59626c}}";

/// The chart of all rows with a rate that several stores have.
#[must_use]
pub fn of(report: &Report) -> String {
    let mut panels = Vec::new();
    let rows: Vec<_> =
        report.medians().filter(|row| row.2.ends_with("/s") && counts(row.0, row.3)).collect();
    for (group, measure) in distinct(rows.iter().map(|row| (row.0, row.1))) {
        let same = rows.iter().filter(|row| (row.0, row.1) == (group, measure));
        let bars: Vec<(&str, f64)> = same.clone().map(|row| (row.3, row.4)).collect();
        if bars.len() > 1 {
            let unit = same.map(|row| row.2).next().unwrap_or_default();
            panels.push((format!("{group}: {measure}, {unit}"), bars));
        }
    }
    let most = panels.iter().map(|panel| panel.1.len()).max().unwrap_or_default();
    let height = TITLE_HEIGHT + most * ROW_HEIGHT + MARGIN;
    let (width, all) =
        (COLUMNS * (PANEL_WIDTH + MARGIN) + MARGIN, 40 + panels.len().div_ceil(COLUMNS) * height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {all}\" width=\"{width}\" height=\"{all}\" role=\"img\">\n\
         <title>mini-bitcask and others on real files</title><style>{STYLE}</style>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"22\">mini-bitcask (hash, ordered) and others on real files: longer is better</text>\n"
    );
    for (at, (title, bars)) in panels.iter().enumerate() {
        let x = MARGIN + (at % COLUMNS) * (PANEL_WIDTH + MARGIN);
        let y = 40 + (at / COLUMNS) * height;
        let _ = writeln!(svg, "<g transform=\"translate({x},{y})\">{}</g>", panel(title, bars));
    }
    svg + "</svg>\n"
}

fn panel(title: &str, bars: &[(&str, f64)]) -> String {
    let longest = bars.iter().map(|bar| bar.1).fold(f64::MIN_POSITIVE, f64::max);
    let room = (PANEL_WIDTH - NAME_WIDTH - FIGURE_WIDTH) as f64;
    let mut text = format!("<text class=\"title\" x=\"0\" y=\"8\">{}</text>", escaped(title));
    for (at, (store, figure)) in bars.iter().enumerate() {
        let y = TITLE_HEIGHT + at * ROW_HEIGHT;
        let width = (figure / longest * room).max(1.0);
        let class = if ["hash", "ordered"].contains(store) { "ours" } else { "other" };
        let end = NAME_WIDTH as f64 + width + 5.0;
        let _ = write!(
            text,
            "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{store}</text>\
             <rect class=\"{class}\" x=\"{NAME_WIDTH}\" y=\"{}\" width=\"{width:.1}\" height=\"12\" rx=\"2\"/>\
             <text class=\"figure\" x=\"{end:.1}\" y=\"{y}\">{}</text>",
            NAME_WIDTH - 6,
            y - 10,
            short(*figure),
        );
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

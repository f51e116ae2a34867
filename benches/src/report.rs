//! Samples, their medians, and how they are shown.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::bars::{Reached, reached};
use crate::settings::Settings;

/// Names of what is not another's: our two kinds, and the machine itself.
const OURS: [&str; 3] = ["hash", "ordered", "raw"];

/// Rows that one of the stores does not keep the promise of, so it is shown there and counts for no bar: sled's `flush` writes to
/// the disk by `sync_file_range`, which does not survive a power cut (see it by `strace`).
const UNLIKE: [(&str, &str); 1] = [("Put with sync, values of 100 bytes", "sled")];

/// Whether a store's figures may be held against ours.
pub(crate) fn counts(group: &str, store: &str) -> bool {
    !UNLIKE.contains(&(group, store))
}

/// All that a run measured, in the order in which it was first measured.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

/// What was measured of one store.
#[derive(Debug)]
struct Row {
    group: String,
    measure: String,
    unit: &'static str,
    store: &'static str,
    samples: Vec<f64>,
}

impl Row {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The middle sample; of an even number of samples the lower middle one.
    fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    fn bounds(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let nothing = f64::NAN;
        (*sorted.first().unwrap_or(&nothing), *sorted.last().unwrap_or(&nothing))
    }
}

/// Where samples of one store and one group of rows go.
pub struct Sampler<'a> {
    /// The report.
    pub report: &'a mut Report,
    /// Heading of the table.
    pub group: String,
    /// Heading of the column.
    pub store: &'static str,
}

impl Sampler<'_> {
    /// Adds a sample.
    pub fn add(&mut self, measure: impl Into<String>, unit: &'static str, sample: f64) {
        let measure = measure.into();
        let rows = &mut self.report.rows;
        let there = rows.iter_mut().find(|row| {
            row.group == self.group && row.measure == measure && row.store == self.store
        });
        match there {
            Some(row) => row.samples.push(sample),
            None => rows.push(Row {
                group: self.group.clone(),
                measure,
                unit,
                store: self.store,
                samples: vec![sample],
            }),
        }
    }
}

impl Report {
    /// The median of what was measured of a store.
    #[must_use]
    pub fn median(&self, group: &str, measure: &str, store: &str) -> Option<f64> {
        let found = |row: &&Row| row.group == group && row.measure == measure && row.store == store;
        self.rows.iter().find(found).map(Row::median)
    }

    /// The best of the other stores in a row, and its median.
    #[must_use]
    pub fn best_peer(&self, group: &str, measure: &str, most: bool) -> Option<(&'static str, f64)> {
        let rows = self.rows.iter().filter(|row| row.group == group && row.measure == measure);
        let peers = rows.filter(|row| !OURS.contains(&row.store) && counts(group, row.store));
        let figures = peers.map(|row| (row.store, row.median()));
        figures.reduce(|best, one| if (one.1 > best.1) == most { one } else { best })
    }

    /// The groups, measures and stores in their order, each with its median: for a chart.
    pub(crate) fn medians(
        &self,
    ) -> impl Iterator<Item = (&str, &str, &'static str, &'static str, f64)> {
        let rows = self.rows.iter();
        rows.map(|row| (&*row.group, &*row.measure, row.unit, row.store, row.median()))
    }

    /// Everything, for programs.
    #[must_use]
    pub fn to_json(&self, settings: &Settings) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let (least, most) = row.bounds();
                json!({
                    "group": row.group, "measure": row.measure, "unit": row.unit, "store": row.store,
                    "median": row.median(), "least": least, "most": most, "samples": row.samples,
                })
            })
            .collect();
        json!({ "machine": machine(), "settings": setting_list(settings), "rows": rows })
    }

    /// One table a group: medians, and in brackets the least and the most where they are more than a tenth apart.
    #[must_use]
    pub fn to_markdown(&self, settings: &Settings) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "# Native benchmarks\n");
        let _ = writeln!(text, "Made by `make bench`. {}; {}.", machine(), setting_list(settings));
        let _ = writeln!(
            text,
            "Medians, with least–most. Figures of one run are comparable with each other only: quote ratios."
        );
        for group in distinct(self.rows.iter().map(|row| row.group.as_str())) {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.group == group).collect();
            let stores = distinct(rows.iter().map(|row| row.store));
            let names = stores.iter().map(|store| match counts(group, store) {
                true => (*store).to_owned(),
                false => format!("{store} (does not sync)"),
            });
            let names: Vec<String> = names.collect();
            let _ = writeln!(text, "\n## {group}\n\n| | {} |", names.join(" | "));
            let _ = writeln!(text, "|---|{}", "---|".repeat(stores.len()));
            for measure in distinct(rows.iter().map(|row| row.measure.as_str())) {
                let of_measure: Vec<&&Row> =
                    rows.iter().filter(|row| row.measure == measure).collect();
                let unit = of_measure.first().map_or("", |row| row.unit);
                let cells: Vec<String> = stores
                    .iter()
                    .map(|store| of_measure.iter().find(|row| row.store == *store))
                    .map(|row| row.map_or("–".into(), |row| cell(row)))
                    .collect();
                let heading = [measure, unit].join(if unit.is_empty() { "" } else { ", " });
                let _ = writeln!(text, "| {heading} | {} |", cells.join(" | "));
            }
        }
        let _ = writeln!(text, "\n## The bars\n\n| | reached | bar | |\n|---|---:|---:|---|");
        for Reached { what, figure, bar, met } in reached(self) {
            let met = if met { "met" } else { "**not met**" };
            let _ = writeln!(text, "| {what} | {} | {bar} | {met} |", short(figure));
        }
        text
    }
}

fn cell(row: &Row) -> String {
    let (least, most) = row.bounds();
    match row.samples.len() {
        1 => short(row.median()),
        _ => format!("{} ({}–{})", short(row.median()), short(least), short(most)),
    }
}

/// About three digits.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        n if n >= 1.0 => format!("{number:.2}"),
        n if n >= 0.001 || n == 0.0 => format!("{number:.4}"),
        _ => format!("{number:.6}"),
    }
}

pub(crate) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::new();
    for item in items {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    list
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let profile = if cfg!(debug_assertions) { ", NOT OPTIMISED" } else { "" };
    format!("{} {}, {cores} cores{profile}", std::env::consts::OS, std::env::consts::ARCH)
}

fn setting_list(settings: &Settings) -> String {
    format!(
        "{} keys of 16 bytes ({} with values of 1000 bytes, {} with values of 64 KiB), runs: {} (one where another store took longer than \
         {} s for a table), rows with syncs {} ms each",
        settings.keys,
        settings.longer_keys,
        settings.large_keys,
        settings.runs,
        settings.slow_s,
        settings.sync_ms
    )
}

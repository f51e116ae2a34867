//! A progress bar on a terminal; nothing where standard error is a pipe or a file.

use indicatif::{ProgressBar, ProgressStyle};

/// The bar of one long piece of work. Dropping it clears the line.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar that counts bytes; `total` is `None` where nobody knows how many there will be.
    pub(crate) fn bytes(doing: &'static str, total: Option<u64>) -> Progress {
        let bar = match total {
            Some(total) => ProgressBar::new(total).with_style(style(
                "{msg:>10} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            )),
            None => ProgressBar::new_spinner()
                .with_style(style("{msg:>10} {spinner} {bytes} {bytes_per_sec}")),
        };
        bar.set_message(doing);
        Progress(bar)
    }

    /// A bar that counts records.
    pub(crate) fn records(doing: &'static str, total: u64) -> Progress {
        let bar = ProgressBar::new(total).with_style(style(
            "{msg:>10} [{bar:32}] {human_pos}/{human_len} records {per_sec} {eta}",
        ));
        bar.set_message(doing);
        Progress(bar)
    }

    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// For work that only then says how much it is.
    pub(crate) fn set_of(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.inc(more);
    }

    /// Prints on standard error without leaving pieces of the bar behind.
    pub(crate) fn say(&self, text: &str) {
        self.0.suspend(|| super::output::say(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏ ")
}

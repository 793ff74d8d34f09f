//! Progress of commands that write many rows.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use service::Progress;

/// Returns a callback that draws a bar on a terminal, and elsewhere prints a line for each tenth.
pub fn progress_bar() -> impl Fn(Progress) {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} rows, {eta} left")
    {
        bar.set_style(style);
    }
    move |Progress { done, total }| {
        let tenths = |done: u64| done.saturating_mul(10) / total.max(1);
        let before = bar.position();
        bar.set_length(total);
        bar.set_position(done);
        if before == 0 {
            // The rows of an interrupted run took no time.
            bar.reset_eta();
        }
        if bar.is_hidden() && tenths(done) > tenths(before) {
            let _ = writeln!(io::stderr(), "{done}/{total} rows");
        }
        if done == total {
            bar.finish_and_clear();
        }
    }
}

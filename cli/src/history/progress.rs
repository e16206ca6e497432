//! What a person at a terminal sees while many histories are on their way.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// On standard error, and only where that is a terminal. None: how many there are is not known.
pub(super) fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = match total {
        Some(_) => "{wide_bar} {pos}/{len} {per_sec} {msg}, {eta} left",
        None => "{spinner} {pos} {per_sec} {msg}",
    };
    // The default is plainer.
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message("histories")
}

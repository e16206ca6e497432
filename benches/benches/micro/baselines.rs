//! What was measured before: `benches/baselines/micro.json`.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::{Deserialize, Serialize};

use crate::suite::{Figure, Figures};

/// Set: what was measured becomes the baseline.
const SAVE: &str = "PERDURE_BENCH_SAVE";

#[derive(Default, Deserialize, Serialize)]
struct Baselines {
    machine: String,
    figures: Figures,
}

/// Prints the figures beside the baselines, or makes them the baselines.
pub(crate) fn compare(figures: Figures) -> Result<()> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baselines/micro.json");
    let text = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut baselines: Baselines =
        serde_json::from_slice(&text).with_context(|| format!("{} is no list of figures", file.display()))?;
    println!("\nBaseline: {}\n{}", baselines.machine, table(&figures, &baselines.figures));
    if std::env::var_os(SAVE).is_some() {
        baselines.machine = machine();
        baselines.figures.extend(figures.into_iter().filter(|(_, figure)| figure.nanoseconds.is_some()));
        fs::write(&file, format!("{}\n", serde_json::to_string_pretty(&baselines)?))?;
        println!("They are the baseline now.");
    }
    Ok(())
}

/// What the times depend on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{cores} cores, {}", model.map_or("an unknown processor", |(_, model)| model))
}

fn table(figures: &Figures, before: &Figures) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["figure", "ns", "baseline", "ratio", "allocations", "baseline"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, now) in figures.iter().filter(|(_, figure)| figure.nanoseconds.is_some()) {
        let before = before.get(name);
        let times = (now.nanoseconds, before.and_then(|before| before.nanoseconds));
        let ratio = match times {
            (Some(now), Some(before)) => format!("{:.2}", now / before),
            _ => "-".to_owned(),
        };
        table.add_row([
            name.clone(),
            rounded(times.0),
            rounded(times.1),
            ratio,
            now.allocations.to_string(),
            before.map_or("-".to_owned(), |Figure { allocations, .. }| allocations.to_string()),
        ]);
    }
    table
}

fn rounded(nanoseconds: Option<f64>) -> String {
    nanoseconds.map_or("-".to_owned(), |nanoseconds| format!("{nanoseconds:.0}"))
}

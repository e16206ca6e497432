//! The result: a row per step.

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde_json::{Map, Value, json};

use crate::{args::Output, report::short};

/// Headings and values. What is not known has none.
#[derive(Default)]
pub(super) struct Row(Vec<(String, Option<f64>)>);

impl Row {
    pub(super) fn of(what: &str, step: u64) -> Self {
        Self(vec![(what.to_owned(), Some(step as f64))])
    }

    pub(super) fn add(&mut self, heading: impl Into<String>, value: Option<f64>) {
        self.0.push((heading.into(), value));
    }

    fn to_json(&self) -> Value {
        let name = |heading: &String| heading.to_lowercase().replace([' ', ',', '/'], "_");
        let fields = self.0.iter().filter_map(|(heading, value)| Some((name(heading), json!((*value)?))));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}

pub(super) fn print(rows: &[Row], output: Output) {
    match output {
        Output::Json => println!("{:#}", Value::from(rows.iter().map(Row::to_json).collect::<Vec<_>>())),
        Output::Table => println!("{}", table(rows)),
    }
}

/// A line per figure and a column per step: there are more figures than steps.
fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    for (line, (heading, _)) in rows.first().map(|row| row.0.iter()).into_iter().flatten().enumerate() {
        let values: Vec<_> = rows.iter().map(|row| row.0.get(line).and_then(|(_, value)| *value)).collect();
        if values.iter().all(Option::is_none) {
            continue;
        }
        let shown = values.into_iter().map(|value| value.map(short).unwrap_or_default());
        let cells = std::iter::once(heading.clone()).chain(shown);
        if line == 0 {
            table.set_header(cells);
        } else {
            table.add_row(cells);
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_per_step() {
        let row = |step, latency| {
            let mut row = Row::of("parked", step);
            row.add("p50 ms", Some(latency));
            row.add("PG CPU ms", None);
            row
        };
        let rows = [row(1_000, 2.5), row(10_000, 2.75)];
        let shown = table(&rows).to_string();
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["|", "parked", "|", "1000", "|", "10000", "|"]);
        assert_eq!(lines[2], ["|", "p50", "ms", "|", "2.50", "|", "2.75", "|"]);
        assert_eq!(lines.len(), 3, "nothing is known of the CPU:\n{shown}");
        assert_eq!(rows[0].to_json(), json!({ "parked": 1_000.0, "p50_ms": 2.5 }));
    }
}

//! The comparison as tables to read, or as JSON to keep.

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde_json::{Value, json};

use super::{
    Report,
    summary::{Better, COMPARED, Comparison, median, ratio},
};
use crate::{
    args::Output,
    report::{COLUMNS, short},
};

/// One line of the table of the servers as such: what it is, its name in JSON, both values.
type Line = (&'static str, &'static str, [Option<f64>; 2]);

pub(super) fn print(report: &Report, output: Output) {
    match output {
        Output::Json => println!("{:#}", report.to_json()),
        Output::Table => println!("{}", report.text()),
    }
}

impl Report {
    fn text(&self) -> String {
        let [a, b] = &self.names;
        let [version_a, version_b] = &self.versions;
        let mut text = format!(
            "A is {a} (version {version_a}), B is {b} (version {version_b}). Medians of {} rounds in turns; costs are per unit; a \
             ratio says how many times better A is.\n\n{}",
            self.rounds,
            self.loads()
        );
        let lines = self.servers();
        if lines.iter().any(|(_, _, values)| values.iter().any(Option::is_some)) {
            text += &format!("\n\n{}", self.server_table(&lines));
        }
        for comparison in &self.results {
            for (side, result) in self.names.iter().zip(&comparison.sides) {
                if let Err(failure) = result {
                    let (scenario, in_flight) = (&comparison.scenario, comparison.concurrency);
                    text += &format!("\n{scenario} x{in_flight} on {side}: {}", failure.why);
                }
            }
        }
        text
    }

    /// Three rows for each load: A, B, the ratios. Columns of which nothing is known are left out.
    fn loads(&self) -> Table {
        let is_known = |name: &str| self.results.iter().any(|c| (0..2).any(|side| c.median(side, name).is_some()));
        let columns: Vec<(&str, Better)> = COMPARED.into_iter().filter(|(name, _)| is_known(name)).collect();
        let headings = columns.iter().map(|(name, _)| heading(name));
        let mut table = table(["scenario", "in flight", "unit", "server"].into_iter().chain(headings), 4);
        for comparison in &self.results {
            for (side, name) in self.names.iter().enumerate() {
                let first = first_cells(comparison, side == 0, name);
                let values = columns.iter().map(|(column, _)| comparison.median(side, column).map(short));
                table.add_row(first.into_iter().chain(values.map(Option::unwrap_or_default)));
            }
            let values = columns.iter().map(|(name, better)| comparison.ratio(name, *better).map(times));
            let first = first_cells(comparison, false, "ratio");
            table.add_row(first.into_iter().chain(values.map(Option::unwrap_or_default)));
        }
        table
    }

    fn servers(&self) -> Vec<Line> {
        let start = |side: usize| median(self.starts_ms[side].clone());
        let mut lines: Vec<Line> = vec![("start to first workflow, ms", "start_ms", [start(0), start(1)])];
        if let Some([a, b]) = &self.idle {
            lines.extend(a.iter().zip(b).map(|((label, name, a), (_, _, b))| (*label, *name, [*a, *b])));
        }
        lines
    }

    fn server_table(&self, lines: &[Line]) -> Table {
        let [a, b] = &self.names;
        let mut table = table(["before all load", a.as_str(), b.as_str(), "ratio"], 1);
        for (label, _, [a, b]) in lines.iter().filter(|(_, _, values)| values.iter().any(Option::is_some)) {
            let cells = [a.map(short), b.map(short), ratio(*a, *b, Better::Less).map(times)];
            table.add_row(std::iter::once((*label).to_owned()).chain(cells.map(Option::unwrap_or_default)));
        }
        table
    }

    fn to_json(&self) -> Value {
        let server = |side: usize| {
            let values = self.servers().into_iter().map(|(_, name, values)| (name.to_owned(), json!(values[side])));
            let mut server = Value::Object(values.collect());
            server["name"] = json!(self.names[side]);
            server["version"] = json!(self.versions[side]);
            server["starts_ms"] = json!(self.starts_ms[side]);
            server
        };
        let results: Vec<Value> = self.results.iter().map(Comparison::to_json).collect();
        json!({ "rounds": self.rounds, "a": server(0), "b": server(1), "results": results })
    }
}

fn first_cells(comparison: &Comparison, is_first: bool, server: &str) -> [String; 4] {
    let (scenario, in_flight) = (comparison.scenario.clone(), comparison.concurrency.to_string());
    let named =
        [scenario, in_flight, comparison.unit.to_owned()].map(|cell| if is_first { cell } else { String::new() });
    let [scenario, in_flight, unit] = named;
    [scenario, in_flight, unit, server.to_owned()]
}

/// A table whose columns from `numbers` on hold numbers.
fn table<'a>(headings: impl IntoIterator<Item = &'a str>, numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(headings);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn heading(name: &str) -> &'static str {
    COLUMNS.iter().find(|(_, column, _)| *column == name).map_or("", |(heading, _, _)| heading)
}

fn times(ratio: f64) -> String {
    format!("{}×", short(ratio))
}

#[cfg(test)]
mod tests {
    use super::super::summary::Failure;
    use super::*;

    fn report() -> Report {
        let failure = |why: &str| Err(Failure { why: why.into(), is_time_limit: true });
        let comparison = Comparison {
            scenario: "hello".into(),
            unit: "workflow",
            concurrency: 16,
            sides: [Ok(vec![]), failure("the time was over")],
        };
        Report {
            names: ["ours".into(), "theirs".into()],
            versions: ["1".into(), "2".into()],
            rounds: 3,
            starts_ms: [vec![90.0, 110.0, 100.0], vec![2_000.0]],
            idle: None,
            results: vec![comparison],
        }
    }

    #[test]
    fn a_failure_is_told_with_its_load() {
        let text = report().text();
        assert!(text.contains("hello x16 on theirs: the time was over"), "{text}");
    }

    #[test]
    fn starts_are_compared_by_their_medians() {
        let text = report().text();
        let line = text.lines().find(|line| line.contains("start to first workflow")).unwrap_or_default();
        let cells: Vec<&str> = line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["start to first workflow, ms", "100", "2000", "20.0×"]);
        let json = report().to_json();
        assert_eq!(json["a"]["start_ms"], 100.0);
        assert_eq!(json["b"]["starts_ms"], json!([2_000.0]));
    }
}

//! The result: a table to read, or JSON to keep.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::{args::Output, measure::Spent};

/// One measurement.
pub(crate) struct Figures {
    pub(crate) scenario: String,
    /// What was counted: workflows, pages or actions.
    pub(crate) unit: &'static str,
    pub(crate) concurrency: u32,
    pub(crate) count: u32,
    /// From the first start to the last close.
    pub(crate) elapsed: Duration,
    /// Start to close, in microseconds; of a page its time, of an action its lateness.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) spent: Spent,
    pub(crate) retries: u64,
    pub(crate) task_errors: u64,
}

pub(crate) type Column = (&'static str, &'static str, fn(&Figures) -> Option<f64>);

/// Heading, name in JSON, value. Costs are per unit.
pub(crate) const COLUMNS: [Column; 17] = [
    ("per s", "per_second", |f| Some(f64::from(f.count) / f.elapsed.as_secs_f64())),
    ("p50 ms", "p50_ms", |f| Some(f.quantile(0.5))),
    ("p90 ms", "p90_ms", |f| Some(f.quantile(0.9))),
    ("p99 ms", "p99_ms", |f| Some(f.quantile(0.99))),
    ("max ms", "max_ms", |f| Some(f.latencies.max() as f64 / 1000.0)),
    ("server CPU ms", "server_cpu_ms", |f| f.cpu_each(f.spent.server_cpu)),
    ("PG CPU ms", "postgres_cpu_ms", |f| f.cpu_each(f.spent.postgres_cpu)),
    ("driver CPU ms", "driver_cpu_ms", |f| f.cpu_each(Some(f.spent.driver_cpu))),
    ("commits", "commits", |f| f.each(f.spent.commits)),
    ("WAL KB", "wal_kb", |f| f.each(f.spent.wal_bytes).map(|bytes| bytes / 1024.0)),
    ("WAL syncs", "wal_syncs", |f| f.each(f.spent.wal_syncs)),
    ("disk KB", "database_kb", |f| f.each(f.spent.database_bytes).map(|bytes| bytes / 1024.0)),
    ("RSS MB", "server_rss_mb", |f| f.spent.server_resident_mb),
    ("peak MB", "server_peak_rss_mb", |f| f.spent.server_peak_mb),
    ("retries", "retries", |f| Some(f.retries as f64)),
    ("task errors", "task_errors", |f| Some(f.task_errors as f64)),
    ("seconds", "seconds", |f| Some(f.elapsed.as_secs_f64())),
];

impl Figures {
    fn each(&self, total: Option<f64>) -> Option<f64> {
        total.map(|total| total / f64::from(self.count))
    }

    fn cpu_each(&self, cpu: Option<Duration>) -> Option<f64> {
        self.each(cpu.map(|cpu| cpu.as_secs_f64() * 1000.0))
    }

    fn quantile(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1000.0
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({
            "scenario": self.scenario,
            "unit": self.unit,
            "in_flight": self.concurrency,
            "count": self.count,
        });
        for (_, name, figure) in COLUMNS {
            value[name] = json!(figure(self));
        }
        value
    }
}

pub(crate) fn print(all: &[Figures], server_version: &str, output: Output) {
    match output {
        Output::Json => {
            let results: Vec<Value> = all.iter().map(Figures::to_json).collect();
            println!("{:#}", json!({ "server_version": server_version, "results": results }));
        }
        Output::Table => println!("server {server_version}; costs are per unit\n{}", table(all)),
    }
}

/// Columns of which nothing is known are left out.
fn table(all: &[Figures]) -> Table {
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|(_, _, figure)| all.iter().any(|figures| figure(figures).is_some())).collect();
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let headings = columns.iter().map(|(heading, _, _)| (*heading).to_owned());
    table.set_header(["scenario", "in flight", "count", "unit"].map(str::to_owned).into_iter().chain(headings));
    for figures in all {
        let (in_flight, count) = (figures.concurrency.to_string(), figures.count.to_string());
        let first = [figures.scenario.clone(), in_flight, count, figures.unit.to_owned()];
        let values = columns.iter().map(|(_, _, figure)| figure(figures).map(short).unwrap_or_default());
        table.add_row(first.into_iter().chain(values));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Three significant digits are all that such a measurement supports.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits() {
        for (value, text) in [(0.0, "0"), (0.034, "0.03"), (2.345, "2.35"), (45.67, "45.7"), (1234.5, "1234")] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn costs_are_per_unit() {
        let mut latencies = Histogram::new(3).unwrap();
        latencies.record(2_000).unwrap();
        let figures = Figures {
            scenario: "hello".into(),
            unit: "workflow",
            concurrency: 1,
            count: 4,
            elapsed: Duration::from_secs(2),
            latencies,
            spent: Spent { server_cpu: Some(Duration::from_millis(6)), commits: Some(8.0), ..Default::default() },
            retries: 0,
            task_errors: 0,
        };
        let json = figures.to_json();
        assert_eq!(json["per_second"], 2.0);
        assert_eq!(json["server_cpu_ms"], 1.5);
        assert_eq!(json["commits"], 2.0);
        assert_eq!(json["p50_ms"], 2.0);
        assert_eq!(json["wal_kb"], Value::Null);
        assert!(!table(&[figures]).to_string().contains("WAL KB"), "nothing is known of it");
    }
}

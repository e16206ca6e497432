//! What the rounds say together: medians, and how many times better A is.

use serde_json::{Value, json};

use crate::report::{COLUMNS, Figures};

/// Which of two values is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Better {
    More,
    Less,
}

/// Both servers under one load.
pub(super) struct Comparison {
    pub(super) scenario: String,
    pub(super) unit: &'static str,
    pub(super) concurrency: u32,
    pub(super) sides: [Result<Vec<Figures>, Failure>; 2],
}

/// Why a server has no figures for a load.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) why: String,
    /// The time was over, which a slow server may be excused for; anything else may not.
    pub(super) is_time_limit: bool,
}

/// What is compared: the name of a column of `report`, and what is better.
pub(super) const COMPARED: [(&str, Better); 11] = [
    ("per_second", Better::More),
    ("p50_ms", Better::Less),
    ("p99_ms", Better::Less),
    ("server_cpu_ms", Better::Less),
    ("postgres_cpu_ms", Better::Less),
    ("commits", Better::Less),
    ("wal_syncs", Better::Less),
    ("wal_kb", Better::Less),
    ("database_kb", Better::Less),
    ("server_rss_mb", Better::Less),
    ("server_peak_rss_mb", Better::Less),
];

/// How many times better `a` is than `b`.
pub(super) fn ratio(a: Option<f64>, b: Option<f64>, better: Better) -> Option<f64> {
    let (more, less) = match better {
        Better::More => (a?, b?),
        Better::Less => (b?, a?),
    };
    // What is too small to be measured is not infinitely better.
    (less > 0.0 && more > 0.0).then(|| more / less)
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0),
        _ => values.get(middle).copied(),
    }
}

impl Comparison {
    /// The median of a column of `report`; None where a side has no figures, or the column no value.
    pub(super) fn median(&self, side: usize, name: &str) -> Option<f64> {
        let figures = self.sides[side].as_ref().ok()?;
        let (_, _, value) = COLUMNS.iter().find(|(_, column, _)| *column == name)?;
        median(figures.iter().filter_map(value).collect())
    }

    pub(super) fn ratio(&self, name: &str, better: Better) -> Option<f64> {
        ratio(self.median(0, name), self.median(1, name), better)
    }

    pub(super) fn to_json(&self) -> Value {
        let side = |side: usize| match &self.sides[side] {
            Ok(figures) => {
                let medians = COMPARED.map(|(name, _)| (name.to_owned(), json!(self.median(side, name))));
                let rounds: Vec<Value> = figures.iter().map(Figures::to_json).collect();
                json!({ "medians": Value::Object(medians.into_iter().collect()), "rounds": rounds })
            }
            Err(failure) => json!({ "failure": failure.why, "time_limit": failure.is_time_limit }),
        };
        let ratios = COMPARED.map(|(name, better)| (name.to_owned(), json!(self.ratio(name, better))));
        json!({
            "scenario": self.scenario,
            "unit": self.unit,
            "in_flight": self.concurrency,
            "a": side(0),
            "b": side(1),
            "ratios": Value::Object(ratios.into_iter().collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hdrhistogram::Histogram;

    use super::*;
    use crate::measure::Spent;

    fn figures(count: u32, server_cpu: Option<Duration>) -> Figures {
        Figures {
            scenario: "hello".into(),
            unit: "workflow",
            concurrency: 1,
            count,
            elapsed: Duration::from_secs(1),
            latencies: Histogram::new(3).unwrap(),
            spent: Spent { server_cpu, ..Default::default() },
            retries: 0,
            task_errors: 0,
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (vec![], None),
            (vec![4.0], Some(4.0)),
            (vec![9.0, 1.0, 3.0], Some(3.0)),
            (vec![9.0, 1.0, 3.0, 5.0], Some(4.0)),
        ] {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
    }

    #[test]
    fn a_ratio_says_how_many_times_better_a_is() {
        let cases = [
            (Some(6.0), Some(2.0), Better::More, Some(3.0)),
            (Some(2.0), Some(6.0), Better::Less, Some(3.0)),
            (Some(0.0), Some(6.0), Better::Less, None),
            (Some(2.0), None, Better::Less, None),
        ];
        for (a, b, better, expected) in cases {
            assert_eq!(ratio(a, b, better), expected, "{a:?} and {b:?}, {better:?}");
        }
    }

    #[test]
    fn medians_are_of_each_figure_and_a_failed_side_has_none() {
        let rounds = [10, 40, 20].map(|count| figures(count, None));
        let failure = Failure { why: "slow".into(), is_time_limit: true };
        let mut comparison = Comparison {
            scenario: "hello".into(),
            unit: "workflow",
            concurrency: 1,
            sides: [Ok(rounds.into()), Err(failure)],
        };
        assert_eq!(comparison.median(0, "per_second"), Some(20.0));
        assert_eq!(comparison.median(0, "server_cpu_ms"), None);
        assert_eq!(comparison.ratio("per_second", Better::More), None);
        assert_eq!(comparison.to_json()["b"]["failure"], "slow");
        comparison.sides[1] = Ok(vec![figures(5, Some(Duration::from_millis(10)))]);
        assert_eq!(comparison.ratio("per_second", Better::More), Some(4.0));
        let json = comparison.to_json();
        assert_eq!(json["ratios"]["per_second"], 4.0);
        assert_eq!(json["b"]["medians"]["server_cpu_ms"], 2.0);
        assert_eq!(json["a"]["rounds"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn everything_compared_is_a_column() {
        for (name, _) in COMPARED {
            assert!(COLUMNS.iter().any(|(_, column, _)| *column == name), "{name}");
        }
    }
}

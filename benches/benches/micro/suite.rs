//! Measures one thing after the other.

use std::{alloc::System, collections::BTreeMap, hint::black_box, path::PathBuf, time::Duration};

use criterion::{BatchSize, Criterion};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stats_alloc::{Region, StatsAlloc};

/// One call of what is measured.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    /// None: it was not timed, because a filter or a mode of criterion's left it out.
    pub(crate) nanoseconds: Option<f64>,
    pub(crate) allocations: usize,
}

/// By group and name.
pub(crate) type Figures = BTreeMap<String, Figure>;

pub(crate) struct Suite {
    criterion: Criterion,
    results: PathBuf,
    allocator: &'static StatsAlloc<System>,
    figures: Figures,
}

impl Suite {
    pub(crate) fn new(allocator: &'static StatsAlloc<System>) -> Self {
        let results = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("criterion");
        let criterion = Criterion::default()
            .output_directory(&results)
            .sample_size(30)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_millis(1500))
            .without_plots()
            .configure_from_args();
        Self { criterion, results, allocator, figures: Figures::new() }
    }

    /// `setup` makes the input of each call, and neither that nor the end of the output is measured.
    pub(crate) fn measure<I, O>(
        &mut self,
        group: &str,
        name: &str,
        mut setup: impl FnMut() -> I,
        mut routine: impl FnMut(I) -> O,
    ) {
        // The first call fills caches and grows buffers that stay.
        drop(routine(setup()));
        let input = setup();
        let region = Region::new(self.allocator);
        let output = black_box(routine(input));
        let counted = region.change();
        drop(output);
        let mut benchmarks = self.criterion.benchmark_group(group);
        benchmarks
            .bench_function(name, |bencher| bencher.iter_batched(&mut setup, &mut routine, BatchSize::SmallInput));
        benchmarks.finish();
        let figure = Figure {
            nanoseconds: self.nanoseconds(group, name),
            allocations: counted.allocations + counted.reallocations,
        };
        self.figures.insert(format!("{group}/{name}"), figure);
    }

    /// The median that criterion has just written.
    fn nanoseconds(&self, group: &str, name: &str) -> Option<f64> {
        let file = self.results.join(group).join(name).join("new/estimates.json");
        let estimates: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    }

    pub(crate) fn finish(self) -> Figures {
        self.criterion.final_summary();
        self.figures
    }
}

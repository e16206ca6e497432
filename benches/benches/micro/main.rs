//! Micro-benchmarks of the hot path, each beside its baseline: time per call, and how often it asks for memory.
//!
//! `cargo bench -p perdure-benches` prints the table of `benches/README.md`. Criterion measures the time; what follows `--`
//! is for it, such as the name of a group. Allocations are counted in one call: they do not depend on the machine or its load.

mod baselines;
mod commit;
mod encode;
mod engine;
mod matching;
mod run;
mod suite;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use self::suite::Suite;

/// Counts. The server itself runs with mimalloc, which is faster; the numbers of calls are the same.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> anyhow::Result<()> {
    let mut suite = Suite::new(ALLOCATOR);
    engine::measure(&mut suite);
    encode::measure(&mut suite);
    matching::measure(&mut suite)?;
    commit::measure(&mut suite)?;
    baselines::compare(suite.finish())
}

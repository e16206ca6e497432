//! The command `run`: each scenario at each number in flight, one after the other.

use anyhow::Result;

use crate::{
    args::{Probes, Run},
    client::Client,
    measure::Meter,
    report,
    session::{Amount, measure, warm_up},
};

/// Measures all, prints all, and fails if anything was lost or doubled.
pub(crate) async fn run(probes: &Probes, run: &Run) -> Result<()> {
    let client = Client::connect(&run.address, &run.namespace).await?;
    let server_version = client.server_version().await?;
    let mut meter = Meter::new(probes).await?;
    let mut all = Vec::new();
    for &scenario in &run.scenarios {
        for &concurrency in &run.concurrency {
            warm_up(&client, &run.load, scenario, concurrency, Amount::Count(run.warmup)).await?;
            meter.worked();
            let amount = Amount::Count(run.count);
            let measured = measure(&client, &run.load, scenario, concurrency, amount, &mut meter).await?;
            all.push(measured.settled().await?);
        }
    }
    report::print(&all, &server_version, probes.output);
    Ok(())
}

//! What is read before and after: CPU, memory and database work.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    args::Probes,
    postgres::{Counters, Database, SETTLE, Volume},
    process::{self, Usage},
};

pub(crate) struct Meter<'a> {
    probes: &'a Probes,
    database: Option<Database>,
}

/// Readings at one moment.
pub(crate) struct Reading {
    at: Instant,
    server: Option<Usage>,
    postgres: Option<Usage>,
    driver: Usage,
    volume: Option<Volume>,
    counters: Option<Counters>,
}

/// The differences between two readings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) elapsed: Duration,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) postgres_cpu: Option<Duration>,
    pub(crate) driver_cpu: Duration,
    pub(crate) server_resident_mb: Option<f64>,
    pub(crate) server_peak_mb: Option<f64>,
    pub(crate) commits: Option<f64>,
    pub(crate) wal_syncs: Option<f64>,
    pub(crate) wal_bytes: Option<f64>,
    pub(crate) database_bytes: Option<f64>,
}

impl<'a> Meter<'a> {
    pub(crate) async fn new(probes: &'a Probes) -> Result<Self> {
        let database = match &probes.postgres_url {
            Some(url) => Some(Database::connect(url).await?),
            None => None,
        };
        Ok(Self { probes, database })
    }

    pub(crate) async fn begin(&mut self) -> Result<Reading> {
        let counters = self.settled_counters().await?;
        self.read(counters).await
    }

    /// Reads what is exact at once, and then, when they have settled, the counters.
    pub(crate) async fn end(&mut self, before: &Reading) -> Result<Spent> {
        let mut after = self.read(None).await?;
        after.counters = self.settled_counters().await?;
        Ok(before.until(&after))
    }

    async fn settled_counters(&mut self) -> Result<Option<Counters>> {
        let Some(database) = &mut self.database else { return Ok(None) };
        tokio::time::sleep(SETTLE).await;
        database.counters().await.map(Some)
    }

    async fn read(&mut self, counters: Option<Counters>) -> Result<Reading> {
        let volume = match &mut self.database {
            Some(database) => Some(database.volume().await?),
            None => None,
        };
        Ok(Reading {
            at: Instant::now(),
            server: self.probes.server_pid.map(process::usage).transpose()?,
            postgres: self.probes.postgres_pid.map(process::usage).transpose()?,
            driver: process::usage(std::process::id())?,
            volume,
            counters,
        })
    }
}

impl Reading {
    fn until(&self, after: &Reading) -> Spent {
        Spent {
            elapsed: after.at - self.at,
            server_cpu: cpu(self.server, after.server),
            postgres_cpu: cpu(self.postgres, after.postgres),
            driver_cpu: after.driver.cpu.saturating_sub(self.driver.cpu),
            server_resident_mb: after.server.map(|usage| usage.resident_kb as f64 / 1024.0),
            server_peak_mb: after.server.map(|usage| usage.peak_resident_kb as f64 / 1024.0),
            commits: difference(self.counters, after.counters, |counters| counters.commits),
            wal_syncs: difference(self.counters, after.counters, |counters| counters.wal_syncs),
            wal_bytes: difference(self.volume, after.volume, |volume| volume.wal_bytes),
            database_bytes: difference(self.volume, after.volume, |volume| volume.database_bytes),
        }
    }
}

fn cpu(before: Option<Usage>, after: Option<Usage>) -> Option<Duration> {
    Some(after?.cpu.saturating_sub(before?.cpu))
}

fn difference<T>(before: Option<T>, after: Option<T>, value: impl Fn(T) -> f64) -> Option<f64> {
    Some(value(after?) - value(before?))
}

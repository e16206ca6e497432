//! What is read before and after: CPU, memory and database work.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{sync::Mutex, time::sleep_until};

use crate::{
    args::Probes,
    postgres::{Counters, Database, SETTLE, Volume},
    process::{self, Usage},
};

pub(crate) struct Meter<'a> {
    probes: &'a Probes,
    /// Shared with the measurements whose counters have not settled yet.
    database: Option<Arc<Mutex<Database>>>,
    /// When the database may have had work the last time.
    worked: Instant,
}

/// Readings at one moment.
pub(crate) struct Reading {
    at: Instant,
    server: Option<Usage>,
    postgres: Option<Usage>,
    driver: Duration,
    volume: Option<Volume>,
    counters: Option<Counters>,
}

/// A measurement that is over, but for counters that the database has not reported yet.
pub(crate) struct Settling {
    before: Reading,
    after: Reading,
    database: Option<Arc<Mutex<Database>>>,
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
            Some(url) => Some(Arc::new(Mutex::new(Database::connect(url, &probes.postgres_databases).await?))),
            None => None,
        };
        Ok(Self { probes, database, worked: Instant::now() })
    }

    /// Says that there was work until now that is not to be counted.
    pub(crate) fn worked(&mut self) {
        self.worked = Instant::now();
    }

    /// How long [`Meter::begin`] waits right after work.
    pub(crate) fn settling_time(&self) -> Duration {
        if self.database.is_some() { SETTLE } else { Duration::ZERO }
    }

    /// Waits until the counters of earlier work have settled.
    pub(crate) async fn begin(&mut self) -> Result<Reading> {
        let counters = settled_counters(self.database.as_deref(), self.worked).await?;
        self.read(counters).await
    }

    /// Reads what is exact at once.
    pub(crate) async fn end(&mut self, before: Reading) -> Result<Settling> {
        let after = self.read(None).await?;
        self.worked();
        Ok(Settling { before, after, database: self.database.clone() })
    }

    async fn read(&self, counters: Option<Counters>) -> Result<Reading> {
        let volume = match &self.database {
            Some(database) => Some(database.lock().await.volume().await?),
            None => None,
        };
        Ok(Reading {
            at: Instant::now(),
            server: self.probes.server_pid.map(process::usage).transpose()?,
            postgres: self.probes.postgres_pid.map(process::usage).transpose()?,
            driver: process::own_cpu(std::process::id())?,
            volume,
            counters,
        })
    }
}

impl Settling {
    pub(crate) async fn settled(mut self) -> Result<Spent> {
        self.after.counters = settled_counters(self.database.as_deref(), self.after.at).await?;
        Ok(self.before.until(&self.after))
    }
}

async fn settled_counters(database: Option<&Mutex<Database>>, worked: Instant) -> Result<Option<Counters>> {
    let Some(database) = database else { return Ok(None) };
    sleep_until((worked + SETTLE).into()).await;
    database.lock().await.counters().await.map(Some)
}

impl Reading {
    fn until(&self, after: &Reading) -> Spent {
        Spent {
            elapsed: after.at - self.at,
            server_cpu: cpu(self.server, after.server),
            postgres_cpu: cpu(self.postgres, after.postgres),
            driver_cpu: after.driver.saturating_sub(self.driver),
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

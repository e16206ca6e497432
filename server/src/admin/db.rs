//! `perdure db`: the database of a server, looked at and set up.

use anyhow::{bail, ensure};
use clap::{Args, Subcommand};
use perdure_storage::inspect::{Facts, Inspect, LeaseFact, Rows, Schema, TableFact, migrate_postgres, migrate_sqlite};
use serde_json::{Value, json};

use super::{Format, SettingsArgs, bytes, inspect, print};
use crate::{
    settings::{StoreKind, StoreSettings},
    store,
};

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Show schema, sizes and who works on the database. Reads only, at a bounded cost, also while a server runs.
    Status(Status),
    /// Bring the schema up to date, and create the database where it is missing.
    ///
    /// A server does so itself when it starts; with this it can be done before, by a user with more rights, and without a limit
    /// of time. Running it twice, or twice at a time, is safe.
    Migrate(Migrate),
}

#[derive(Args, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    settings: SettingsArgs,
    /// How the answer is printed.
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(flatten)]
    settings: SettingsArgs,
}

impl DbCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Status(status) => status.run().await,
            Self::Migrate(migrate) => migrate.run().await,
        }
    }
}

impl Status {
    async fn run(self) -> anyhow::Result<()> {
        let settings = self.settings.load()?.0.store;
        let mut database = open(&settings).await?;
        let seen = Seen::look(&mut *database).await?;
        match self.output {
            Format::Json => print(&serde_json::to_string_pretty(&seen.json(&settings))?),
            Format::Text => print(&seen.text(&settings)),
        }
    }
}

impl Migrate {
    async fn run(self) -> anyhow::Result<()> {
        let settings = self.settings.load()?.0.store;
        match (settings.kind, &settings.path) {
            (StoreKind::Postgresql, _) => migrate_postgres(&store::postgres(&settings)).await?,
            (StoreKind::Sqlite, Some(path)) => migrate_sqlite(path).await?,
            (StoreKind::Sqlite | StoreKind::Memory, _) => bail!("the settings keep everything in memory"),
        }
        let schema = open(&settings).await?.schema().await?;
        ensure!(schema.pending().next().is_none(), "the schema is not complete after its migration");
        print(&format!("{settings}: schema version {}, up to date.", version(&schema)))
    }
}

async fn open(settings: &StoreSettings) -> anyhow::Result<Box<dyn Inspect>> {
    match inspect(settings).await {
        Ok(database) => Ok(database),
        Err(unreachable) => bail!("{settings}: {} (`perdure doctor` may know more)", unreachable.text),
    }
}

struct Seen {
    facts: Facts,
    schema: Schema,
    /// Empty where the schema is not set up.
    tables: Vec<TableFact>,
    leases: Vec<LeaseFact>,
}

impl Seen {
    async fn look(database: &mut dyn Inspect) -> anyhow::Result<Self> {
        let schema = database.schema().await?;
        let set_up = !schema.applied.is_empty();
        Ok(Self {
            facts: database.facts().await?,
            tables: if set_up { database.tables().await? } else { Vec::new() },
            leases: if set_up { database.leases().await? } else { Vec::new() },
            schema,
        })
    }

    fn json(&self, settings: &StoreSettings) -> Value {
        let pending: Vec<_> =
            self.schema.pending().map(|(version, name)| json!({"version": version, "name": name})).collect();
        let tables = self.tables.iter().map(|table| {
            let (rows, exact) = match table.rows {
                Rows::Exactly(rows) => (rows, true),
                Rows::About(rows) | Rows::MoreThan(rows) => (rows, false),
            };
            json!({"name": table.name, "rows": rows, "exact": exact, "bytes": table.bytes})
        });
        let leases = self.leases.iter().map(|lease| {
            json!({
                "firstSlot": lease.first_slot, "endSlot": lease.end_slot, "epoch": lease.epoch, "owner": lease.owner,
                "expiresAt": lease.expires_at, "connected": lease.connected,
            })
        });
        json!({
            "database": settings.to_string(),
            "product": self.facts.product,
            "bytes": self.facts.bytes,
            "schema": {"version": self.schema.applied.last(), "pending": pending, "newer": self.schema.newer()},
            "connections": self.facts.postgres.as_ref().map(|postgres| postgres.connections),
            "maxConnections": self.facts.postgres.as_ref().map(|postgres| postgres.max_connections),
            "tables": tables.collect::<Vec<_>>(),
            "leases": leases.collect::<Vec<_>>(),
        })
    }

    fn text(&self, settings: &StoreSettings) -> String {
        let mut lines = vec![
            format!("Database     {settings}"),
            format!("Product      {}", self.facts.product),
            format!("Size         {}", bytes(self.facts.bytes)),
            format!("Schema       {}", schema(&self.schema)),
        ];
        if let Some(postgres) = &self.facts.postgres {
            lines.push(format!("Connections  {} of {}", postgres.connections, postgres.max_connections));
        }
        lines.extend(self.leases.iter().map(|lease| {
            format!("Slots        {}-{}: {}", lease.first_slot, lease.end_slot.saturating_sub(1), holder(lease))
        }));
        if !self.tables.is_empty() {
            lines.push(format!("{:<22}{:>16}{:>12}", "Table", "Rows", "Size"));
        }
        lines.extend(self.tables.iter().map(|table| {
            let size = table.bytes.map(bytes).unwrap_or_default();
            format!("  {:<20}{:>16}{size:>12}", table.name, rows(table.rows)).trim_end().to_owned()
        }));
        lines.join("\n")
    }
}

fn version(schema: &Schema) -> i64 {
    schema.applied.last().copied().unwrap_or(0)
}

fn schema(schema: &Schema) -> String {
    if let Some(failed) = schema.failed {
        return format!("the upgrade to version {failed} began and did not end: restore the backup made before it");
    }
    if let Some(newer) = schema.newer() {
        return format!("version {newer}, newer than this perdure: run the version that upgraded it, or a later one");
    }
    let pending: Vec<_> = schema.pending().map(|(version, name)| format!("{version} ({name})")).collect();
    match (schema.applied.last(), pending.is_empty()) {
        (None, _) => "not set up: `perdure db migrate` or the first start of a server does it".to_owned(),
        (Some(version), true) => format!("version {version}, up to date"),
        (Some(version), false) => {
            format!("version {version}, pending: {}: `perdure db migrate` or a start does it", pending.join(", "))
        }
    }
}

fn holder(lease: &LeaseFact) -> String {
    match (lease.owner.as_str(), lease.connected) {
        ("", _) => "nobody has them".to_owned(),
        (owner, Some(true)) => format!("{owner}, connected"),
        (owner, Some(false)) => format!("{owner}, which is gone"),
        (owner, None) => owner.to_owned(),
    }
}

fn rows(rows: Rows) -> String {
    match rows {
        Rows::Exactly(rows) => rows.to_string(),
        Rows::About(rows) => format!("about {rows}"),
        Rows::MoreThan(rows) => format!("more than {rows}"),
    }
}

//! The database, as a server would find it.

use std::time::{Duration, Instant, SystemTime};

use perdure_storage::{
    StoreError,
    inspect::{ConnectProblem, Facts, LeaseFact, PostgresFacts, Schema},
};

use super::{Check, Verdict};
use crate::{
    admin::{Unreachable, bytes, inspect},
    settings::{StoreKind, StoreSettings},
};

/// A commit stands in the way of each answer.
const COMMIT_SLOW: Duration = Duration::from_millis(20);
const COMMIT_TOO_SLOW: Duration = Duration::from_millis(200);

/// Between the clock of this machine and that of the database.
const SKEW_SEEN: Duration = Duration::from_secs(1);
const SKEW_BAD: Duration = Duration::from_secs(30);

/// PostgreSQL's `server_version_num`.
const VERSION_NEEDED: i32 = 120_000;
const VERSION_WANTED: i32 = 140_000;

pub(super) const CHECKS: [Check<DatabaseFacts>; 8] = [
    ("database", reachable),
    ("version", version),
    ("schema", schema),
    ("durability", durability),
    ("commit time", commit_time),
    ("clock", clock),
    ("connections", connections),
    ("leases", leases),
];

pub(super) struct DatabaseFacts {
    settings: StoreSettings,
    seen: Result<Seen, Unreachable>,
}

struct Seen {
    facts: Facts,
    schema: Schema,
    leases: Vec<LeaseFact>,
    commit: Result<Duration, StoreError>,
    /// How far the database's clock is from ours, about; None: it has none of its own.
    skew: Option<Duration>,
}

impl DatabaseFacts {
    /// `served`: what the server that answers keeps its state in.
    pub(super) async fn gather(settings: StoreSettings, served: Option<&str>) -> Self {
        let in_memory = "everything is in memory, and ends with the server".to_owned();
        let elsewhere = served.filter(|served| *served != "postgresql" && settings == StoreSettings::default());
        let without = |text| Err(Unreachable { problem: ConnectProblem::NotSet, text });
        let seen = match (settings.kind, elsewhere) {
            (StoreKind::Memory, _) => without(in_memory),
            (StoreKind::Sqlite, _) if settings.path.is_none() => without(in_memory),
            (_, Some("memory")) => without(in_memory),
            (_, Some(store)) => without(format!("no database is named, and the server that answers has {store}")),
            (_, None) => look(&settings).await,
        };
        Self { settings, seen }
    }

    fn seen(&self) -> Result<&Seen, Verdict> {
        self.seen.as_ref().map_err(|_| Verdict::Unknown("the database cannot be asked".to_owned()))
    }

    fn postgres(&self) -> Result<Option<&PostgresFacts>, Verdict> {
        Ok(self.seen()?.facts.postgres.as_ref())
    }
}

async fn look(settings: &StoreSettings) -> Result<Seen, Unreachable> {
    let mut database = inspect(settings).await?;
    let other = |error: StoreError| Unreachable { problem: ConnectProblem::Other, text: error.to_string() };
    let schema = database.schema().await.map_err(other)?;
    let asked = Instant::now();
    let facts = database.facts().await.map_err(other)?;
    let leases = if schema.applied.is_empty() { Vec::new() } else { database.leases().await.map_err(other)? };
    let skew = facts.clock.map(|theirs| skew(theirs, asked.elapsed()));
    Ok(Seen { commit: database.commit_time().await, facts, schema, leases, skew })
}

/// What the way there and back took may hide half of it.
fn skew(theirs: i64, round_trip: Duration) -> Duration {
    let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let theirs = Duration::from_nanos(u64::try_from(theirs).unwrap_or_default());
    ours.abs_diff(theirs).saturating_sub(round_trip)
}

/// Judges what is known of the database, or says that nothing is.
fn known(judged: Result<Verdict, Verdict>) -> Verdict {
    judged.unwrap_or_else(|unknown| unknown)
}

fn reachable(facts: &DatabaseFacts) -> Verdict {
    let settings = &facts.settings;
    let unreachable = match &facts.seen {
        Ok(seen) => return Verdict::ok(format!("{settings}: {}, {}", seen.facts.product, bytes(seen.facts.bytes))),
        Err(unreachable) => unreachable,
    };
    let found = format!("{settings}: {}", unreachable.text);
    let action = match unreachable.problem {
        ConnectProblem::NotSet => {
            let action = "name the server's database: --db-filename FILE, or DB and the variables of a PostgreSQL";
            return Verdict::warn(unreachable.text.as_str(), action);
        }
        ConnectProblem::NoDatabase => {
            let action = "`perdure db migrate` or the first start of a server makes it, if the user may";
            return Verdict::warn(found, action);
        }
        ConnectProblem::Unreachable => {
            "start the database, or mend POSTGRES_SEEDS and DB_PORT; look for a firewall between"
        }
        ConnectProblem::Password => "mend POSTGRES_USER and POSTGRES_PWD, and look into the database's pg_hba.conf",
        ConnectProblem::Full => "raise max_connections of the database, or end some of its other clients",
        ConnectProblem::Tls => "make SQL_TLS_ENABLED, SQL_CA and SQL_HOST_VERIFICATION fit what the database offers",
        ConnectProblem::Settings => "mend DATABASE_URL: postgres://user:password@host:port/database",
        ConnectProblem::Other => "look into the log of the database",
    };
    Verdict::problem(found, action)
}

fn version(facts: &DatabaseFacts) -> Verdict {
    known(facts.postgres().map(|postgres| {
        let Some(postgres) = postgres else { return Verdict::ok("SQLite comes with this program") };
        let found = format!("PostgreSQL {}", postgres.version / 10_000);
        match postgres.version {
            version if version < VERSION_NEEDED => {
                Verdict::problem(found, "upgrade it to 14 or later: this one is too old")
            }
            version if version < VERSION_WANTED => Verdict::warn(found, "upgrade it: its makers mend it no longer"),
            _ => Verdict::ok(found),
        }
    }))
}

fn schema(facts: &DatabaseFacts) -> Verdict {
    known(facts.seen().map(|seen| {
        let schema = &seen.schema;
        if let Some(failed) = schema.failed {
            let action = "restore the backup made before it, or mend it by hand and delete its row in _sqlx_migrations";
            return Verdict::problem(format!("the upgrade to version {failed} began and did not end"), action);
        }
        if let Some(newer) = schema.newer() {
            let action = "run the version of perdure that upgraded it, or a later one";
            return Verdict::problem(format!("version {newer} is newer than this perdure"), action);
        }
        let action = "`perdure db migrate`, or the next start of a server";
        match (schema.applied.last(), schema.pending().count()) {
            (None, _) => Verdict::warn("not set up", action),
            (Some(version), 0) => Verdict::ok(format!("version {version}, up to date")),
            (Some(version), pending) => Verdict::warn(format!("version {version}, {pending} upgrades pending"), action),
        }
    }))
}

fn durability(facts: &DatabaseFacts) -> Verdict {
    known(facts.postgres().map(|postgres| {
        let Some(postgres) = postgres else { return Verdict::ok("each commit is flushed to the disk") };
        let wrong = [
            (
                postgres.read_only,
                "the database takes no writes",
                "connect to the primary, and unset default_transaction_read_only",
            ),
            (!postgres.fsync, "fsync is off: a power failure ruins the database", "fsync = on"),
            (
                postgres.synchronous_commit == "off",
                "synchronous_commit is off: what was answered can be lost",
                "synchronous_commit = on, for the database or the user",
            ),
            (
                !postgres.full_page_writes,
                "full_page_writes is off: a power failure can ruin pages",
                "full_page_writes = on",
            ),
            (
                postgres.encoding != "UTF8",
                "the encoding of the database is not UTF8",
                "make another database with ENCODING 'UTF8'",
            ),
        ];
        match wrong.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            Some((_, found, action)) => Verdict::problem(found, action),
            None => Verdict::ok(format!("fsync on, synchronous_commit {}", postgres.synchronous_commit)),
        }
    }))
}

fn commit_time(facts: &DatabaseFacts) -> Verdict {
    known(facts.seen().map(|seen| {
        let action = "each step of a workflow waits so long: use a disk with a fast flush, nearer to the server";
        match &seen.commit {
            Err(error) => {
                Verdict::warn(format!("a commit could not be tried: {error}"), "look into the log of the database")
            }
            Ok(time) if *time > COMMIT_TOO_SLOW => Verdict::problem(format!("{time:.1?} for a commit"), action),
            Ok(time) if *time > COMMIT_SLOW => Verdict::warn(format!("{time:.1?} for a commit"), action),
            Ok(time) => Verdict::ok(format!("{time:.1?} for a commit")),
        }
    }))
}

fn clock(facts: &DatabaseFacts) -> Verdict {
    known(facts.seen().map(|seen| {
        let action = "let NTP set the clock of both machines: timers follow the server's, leases the database's";
        match seen.skew {
            None => Verdict::ok("server and database share one"),
            Some(skew) if skew > SKEW_BAD => Verdict::problem(format!("{skew:.1?} from the database's"), action),
            Some(skew) if skew > SKEW_SEEN => Verdict::warn(format!("{skew:.1?} from the database's"), action),
            Some(_) => Verdict::ok("within a second of the database's"),
        }
    }))
}

fn connections(facts: &DatabaseFacts) -> Verdict {
    known(facts.postgres().map(|postgres| {
        let Some(postgres) = postgres else { return Verdict::ok("none are needed") };
        // One more says that the owner of the leases lives.
        let wanted = i64::try_from(facts.settings.max_connections).unwrap_or(i64::MAX).saturating_add(1);
        let found =
            format!("{} of {} in use, a server takes up to {wanted}", postgres.connections, postgres.max_connections);
        let action = "raise max_connections of the database, or lower store.max_connections of the server";
        match () {
            () if postgres.max_connections < wanted => Verdict::problem(found, action),
            () if postgres.connections >= postgres.max_connections => Verdict::problem(found, action),
            () if postgres.max_connections < wanted.saturating_mul(2) => {
                Verdict::warn(format!("{found}: a second server, which waits to take over, has no room"), action)
            }
            () => Verdict::ok(found),
        }
    }))
}

fn leases(facts: &DatabaseFacts) -> Verdict {
    known(facts.seen().map(|seen| {
        let owned: Vec<_> = seen.leases.iter().filter(|lease| !lease.owner.is_empty()).collect();
        let gone = owned.iter().find(|lease| lease.connected == Some(false));
        match (owned.first(), gone) {
            (None, _) => Verdict::ok("no server has them"),
            (_, Some(gone)) => Verdict::warn(
                format!("{} has them and is gone", gone.owner),
                "start a server: it takes them over at once",
            ),
            (Some(first), None) => Verdict::ok(format!("{} has them", first.owner)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Seen {
        let postgres = PostgresFacts {
            version: 150_004,
            connections: 5,
            max_connections: 97,
            read_only: false,
            fsync: true,
            synchronous_commit: "on".into(),
            full_page_writes: true,
            encoding: "UTF8".into(),
        };
        Seen {
            facts: Facts { product: "PostgreSQL 15.4".into(), bytes: 1, clock: Some(0), postgres: Some(postgres) },
            schema: Schema { applied: vec![1], failed: None, known: vec![(1, "initial".into())] },
            leases: Vec::new(),
            commit: Ok(Duration::from_millis(1)),
            skew: Some(Duration::ZERO),
        }
    }

    /// What no test can do to a real database: a slow disk, a wrong clock, an old version, an unsafe configuration.
    #[test]
    fn what_makes_a_database_unfit() {
        type Change = fn(&mut Seen);
        fn postgres(seen: &mut Seen, change: fn(&mut PostgresFacts)) {
            change(seen.facts.postgres.as_mut().expect("it is PostgreSQL"));
        }
        let cases: [(&str, &str, &str, Change); 15] = [
            ("commit time", "ok", "1.0ms", |_| {}),
            ("commit time", "warn", "21.0ms", |seen| seen.commit = Ok(Duration::from_millis(21))),
            ("commit time", "problem", "fast flush", |seen| seen.commit = Ok(Duration::from_secs(1))),
            ("commit time", "warn", "could not be tried", |seen| seen.commit = Err(StoreError::NotFound)),
            ("clock", "ok", "within a second", |seen| seen.skew = Some(Duration::from_millis(900))),
            ("clock", "warn", "NTP", |seen| seen.skew = Some(Duration::from_secs(2))),
            ("clock", "problem", "NTP", |seen| seen.skew = Some(Duration::from_secs(60))),
            ("version", "ok", "PostgreSQL 15", |_| {}),
            ("version", "warn", "PostgreSQL 13", |seen| postgres(seen, |facts| facts.version = 130_010)),
            ("version", "problem", "upgrade it to 14", |seen| postgres(seen, |facts| facts.version = 110_000)),
            ("durability", "problem", "fsync = on", |seen| postgres(seen, |facts| facts.fsync = false)),
            ("durability", "problem", "ruin pages", |seen| postgres(seen, |facts| facts.full_page_writes = false)),
            ("durability", "problem", "not UTF8", |seen| postgres(seen, |facts| facts.encoding = "LATIN1".into())),
            ("connections", "warn", "has no room", |seen| postgres(seen, |facts| facts.max_connections = 40)),
            ("connections", "problem", "raise max_connections", |seen| postgres(seen, |facts| facts.connections = 97)),
        ];
        for (check, status, expected, change) in cases {
            let mut seen = sound();
            change(&mut seen);
            let facts = DatabaseFacts { settings: StoreSettings::default(), seen: Ok(seen) };
            let judges = CHECKS.iter().find(|(name, _)| *name == check).map(|(_, judges)| judges);
            let verdict = judges.expect(check)(&facts);
            let (found, text, action) = verdict.parts();
            let text = format!("{text} {}", action.unwrap_or_default());
            assert!(found == status && text.contains(expected), "{check} {status} {expected}: {verdict:?}");
        }
    }
}

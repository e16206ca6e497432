//! Whether an owner of leases lives.
//!
//! An owner holds an advisory lock in its name on a connection of its own. PostgreSQL lets the lock go when that connection
//! ends, also after `kill -9`, so the next owner need not wait until a dead one's lease has run out. The lock only says
//! when to take over; what keeps a former owner from committing is the leases' epoch, as ever. An owner that lives but lost
//! this connection gets a new one with its next renewal.

use std::time::Duration;

use sqlx::{Connection, Error, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::Mutex, time::timeout};

/// To connect and to ask for the lock.
const ENTER_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Presence {
    options: PgConnectOptions,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    owner: String,
    connection: PgConnection,
}

impl Presence {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, held: Mutex::default() }
    }

    /// Makes sure that this owner's lock is held. Another owner's, held before through the same store, is let go.
    pub(super) async fn enter(&self, owner: &str) -> Result<(), Error> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_mut().filter(|held| held.owner == owner)
            && matches!(timeout(ENTER_MAX, held.connection.ping()).await, Ok(Ok(())))
        {
            return Ok(());
        }
        *held = None;
        let connection = timeout(ENTER_MAX, self.locked(owner)).await.map_err(|_| Error::PoolTimedOut)??;
        *held = connection.map(|connection| Held { owner: owner.to_owned(), connection });
        Ok(())
    }

    /// None where the lock is held already: by an earlier connection of this owner's, whose end PostgreSQL has not noticed.
    async fn locked(&self, owner: &str) -> Result<Option<PgConnection>, Error> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))").bind(owner);
        let is_locked: bool = lock.fetch_one(&mut connection).await?;
        Ok(is_locked.then_some(connection))
    }
}

/// Whether nobody holds this owner's lock.
pub(super) async fn is_gone(transaction: &mut PgConnection, owner: &str) -> Result<bool, Error> {
    let tried = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))").bind(owner);
    tried.fetch_one(transaction).await
}

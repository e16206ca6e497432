//! Connections kept for reuse.
//!
//! sqlx's own pool asks the server whether a connection lives each time that it gets one back: a round trip more for each
//! commit. Here a connection comes back only after a statement that went well, and is closed otherwise.

use std::{
    io,
    ops::{Deref, DerefMut},
    time::Duration,
};

use parking_lot::Mutex;
use sqlx::{
    Connection, Error, FromRow, PgConnection, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgDatabaseError, PgRow, PgSeverity},
    query::{Query, QueryAs},
};
use tokio::sync::{Semaphore, SemaphorePermit};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The server ends a statement after this time.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// If the server does not, because it or the network is gone: a little later.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);

pub(super) trait Row: for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T: for<'r> FromRow<'r, PgRow> + Send + Unpin> Row for T {}

#[derive(Debug)]
pub(super) struct Connections {
    options: PgConnectOptions,
    idle: Mutex<Vec<PgConnection>>,
    permits: Semaphore,
}

/// A connection in use. Dropped, also in the midst of a statement, it is closed.
pub(super) struct InUse<'a> {
    connection: PgConnection,
    home: &'a Connections,
    _permit: SemaphorePermit<'a>,
}

impl Connections {
    pub(super) fn new(options: PgConnectOptions, most: usize) -> Self {
        Self { options, idle: Mutex::default(), permits: Semaphore::new(most.max(1)) }
    }

    /// Waits while `most` are in use.
    pub(super) async fn get(&self) -> Result<InUse<'_>, Error> {
        let permit = self.permits.acquire().await.map_err(|_| Error::PoolClosed)?;
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => within(CONNECT_TIMEOUT, PgConnection::connect_with(&self.options)).await?,
        };
        Ok(InUse { connection, home: self, _permit: permit })
    }

    pub(super) async fn fetch_all<T: Row>(
        &self,
        query: QueryAs<'_, Postgres, T, PgArguments>,
    ) -> Result<Vec<T>, Error> {
        let mut connection = self.get().await?;
        let result = answer(query.fetch_all(&mut *connection)).await;
        connection.finish(result)
    }

    pub(super) async fn fetch_one<T: Row>(&self, query: QueryAs<'_, Postgres, T, PgArguments>) -> Result<T, Error> {
        let mut connection = self.get().await?;
        let result = answer(query.fetch_one(&mut *connection)).await;
        connection.finish(result)
    }

    /// How many rows were written.
    pub(super) async fn execute(&self, query: Query<'_, Postgres, PgArguments>) -> Result<u64, Error> {
        let mut connection = self.get().await?;
        let result = answer(query.execute(&mut *connection)).await;
        Ok(connection.finish(result)?.rows_affected())
    }
}

impl InUse<'_> {
    /// Passes a statement's result on and takes the connection back if it is still good. If not, the other idle ones are as
    /// old, and the next call must not meet them.
    pub(super) fn finish<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        match &result {
            Ok(_) => self.home.idle.lock().push(self.connection),
            Err(error) if refuses_statement(error) => self.home.idle.lock().push(self.connection),
            Err(_) => self.home.idle.lock().clear(),
        }
        result
    }
}

pub(super) async fn answer<T>(statement: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    within(ANSWER_TIMEOUT, statement).await
}

async fn within<T>(time: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(time, call).await {
        Ok(result) => result,
        Err(_) => Err(Error::Io(io::ErrorKind::TimedOut.into())),
    }
}

/// The server did not like a statement, but goes on with the connection.
fn refuses_statement(error: &Error) -> bool {
    let severity = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    severity.is_some_and(|error| error.severity() == PgSeverity::Error)
}

impl Deref for InUse<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for InUse<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

//! Errors of stores. None of their texts reaches a client.

/// A batch that was not, or perhaps not, written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another node owns the slots now. Nothing was written.
    #[error("the lease on the shard was lost")]
    LeaseLost,
    /// The database cannot store what is in the batch, and would refuse it again. Nothing was written.
    #[error("the batch holds data that cannot be stored: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The fate of the batch is unknown, or it failed: the shard drops its memory and reloads.
    #[error("the batch failed or its fate is unknown: {0}")]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A read or an administrative write that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("already exists")]
    AlreadyExists,
    #[error("not found")]
    NotFound,
    /// Somebody else holds the lease until about this time (Unix nanoseconds by the database's clock).
    #[error("the lease is held by {owner}")]
    LeaseHeld { owner: String, expires_at: i64 },
    /// What is stored cannot be read: a bug, or a damaged database.
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// The schema is not one that this version can work with.
    #[error("{0}")]
    Schema(String),
    /// The way to the database is set wrongly: an unknown URL, files or modes of TLS that do not fit the server.
    #[error("{0}")]
    Settings(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database could not be reached or answered with an error: trying again may help.
    #[error("storage is unavailable: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

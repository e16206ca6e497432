//! Errors of the driver as ours.

use crate::error::{CommitError, StoreError};

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) if error.is_unique_violation() => Self::AlreadyExists,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError as E;
        match error {
            E::VersionMissing(version) => Self::Schema(format!(
                "the database has schema version {version}, which is newer than this perdure: run the version that upgraded \
                 it, or a later one"
            )),
            E::VersionMismatch(version) => Self::Schema(format!(
                "schema version {version} of the database is another than the one of this perdure: it was made by a program \
                 that is not a release"
            )),
            E::Dirty(version) => Self::Schema(format!(
                "the upgrade to schema version {version} began and did not end: restore the backup made before it, or mend it \
                 by hand and delete its row in _sqlx_migrations"
            )),
            error => Self::Unavailable(Box::new(error)),
        }
    }
}

impl From<prost::DecodeError> for StoreError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        let refused = match &error {
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_of_data(&code)),
            // Did not even leave this process.
            sqlx::Error::Encode(_) => true,
            _ => false,
        };
        if refused { Self::Refused(Box::new(error)) } else { Self::Unknown(Box::new(error)) }
    }
}

/// Whether a code of PostgreSQL (five characters) or SQLite (a number) blames the data. A row that exists already is the
/// caller's memory gone wrong, not its data.
fn is_of_data(code: &str) -> bool {
    /// Data exceptions, integrity constraints, program limits.
    const CLASSES: [&str; 3] = ["22", "23", "54"];
    const UNIQUE_VIOLATION: &str = "23505";
    /// TOOBIG, MISMATCH; CONSTRAINT with CHECK, NOTNULL, DATATYPE.
    const SQLITE: [&str; 5] = ["18", "20", "275", "1299", "3091"];
    match code.len() {
        5 => code != UNIQUE_VIOLATION && CLASSES.iter().any(|class| code.starts_with(class)),
        _ => SQLITE.contains(&code),
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_data;

    #[test]
    fn codes_that_blame_the_data() {
        let of_data = ["22021", "22P05", "22003", "23502", "23514", "54000", "18", "20", "275", "1299", "3091"];
        let of_others =
            ["23505", "57014", "57P01", "08006", "40001", "53100", "42P01", "5", "10", "13", "1555", "2067"];
        assert!(of_data.iter().all(|code| is_of_data(code)));
        assert!(!of_others.iter().any(|code| is_of_data(code)));
    }
}

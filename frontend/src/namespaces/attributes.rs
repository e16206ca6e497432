//! Search attributes that every namespace has.

use perdure_storage::visibility::AttributeKind::{self, Bool, Datetime, Int, Keyword, KeywordList};

/// Prefix of names that users cannot define.
const RESERVED_PREFIX: &str = "Temporal";

/// Names of columns of Temporal's stores: refused, so that a namespace can be moved between the two servers.
const RESERVED: [&str; 4] = ["NamespaceId", "Memo", "MemoEncoding", "VisibilityTaskKey"];

/// Set by the server, from the run itself.
const SYSTEM: [(&str, AttributeKind); 16] = [
    ("WorkflowId", Keyword),
    ("RunId", Keyword),
    ("WorkflowType", Keyword),
    ("StartTime", Datetime),
    ("ExecutionTime", Datetime),
    ("CloseTime", Datetime),
    ("ExecutionStatus", Keyword),
    ("TaskQueue", Keyword),
    ("HistoryLength", Int),
    ("HistorySizeBytes", Int),
    ("ExecutionDuration", Int),
    ("StateTransitionCount", Int),
    ("ParentWorkflowId", Keyword),
    ("ParentRunId", Keyword),
    ("RootWorkflowId", Keyword),
    ("RootRunId", Keyword),
];

/// Kept among a run's own search attributes; the first [`SETTABLE`] of them may be set by clients too.
const PREDEFINED: [(&str, AttributeKind); 17] = [
    ("TemporalChangeVersion", KeywordList),
    ("BinaryChecksums", KeywordList),
    ("BuildIds", KeywordList),
    ("BatcherNamespace", Keyword),
    ("BatcherUser", Keyword),
    ("TemporalScheduledStartTime", Datetime),
    ("TemporalScheduledById", Keyword),
    ("TemporalSchedulePaused", Bool),
    ("TemporalNamespaceDivision", Keyword),
    ("TemporalPauseInfo", KeywordList),
    ("TemporalReportedProblems", KeywordList),
    ("TemporalWorkerDeploymentVersion", Keyword),
    ("TemporalWorkflowVersioningBehavior", Keyword),
    ("TemporalWorkerDeployment", Keyword),
    ("TemporalUsedWorkerDeploymentVersions", KeywordList),
    ("TemporalExternalPayloadCount", Int),
    ("TemporalExternalPayloadSizeBytes", Int),
];
const SETTABLE: usize = 11;

fn find(table: &[(&str, AttributeKind)], name: &str) -> Option<AttributeKind> {
    table.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The type of a system attribute.
pub(crate) fn system(name: &str) -> Option<AttributeKind> {
    find(&SYSTEM, name)
}

/// The type of a predefined attribute.
pub(crate) fn predefined(name: &str) -> Option<AttributeKind> {
    find(&PREDEFINED, name)
}

pub(crate) fn is_system(name: &str) -> bool {
    system(name).is_some()
}

/// Whether clients may set this predefined attribute.
pub(crate) fn is_settable(name: &str) -> bool {
    find(&PREDEFINED[..SETTABLE], name).is_some()
}

/// Whether a namespace may not define an attribute of this name.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED_PREFIX) || RESERVED.contains(&name) || is_system(name) || predefined(name).is_some()
}

/// All attributes that need no definition, with their types.
pub(crate) fn built_in() -> impl Iterator<Item = (&'static str, AttributeKind)> {
    SYSTEM.into_iter().chain(PREDEFINED)
}

/// Another spelling of a known name: with or without the prefix.
pub(crate) fn other_spelling(name: &str) -> String {
    match name.strip_prefix(RESERVED_PREFIX) {
        Some(rest) => rest.to_owned(),
        None => format!("{RESERVED_PREFIX}{name}"),
    }
}

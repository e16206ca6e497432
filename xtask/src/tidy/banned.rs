//! Calls that have a better replacement here.

use std::path::Path;

use super::{Finding, RustFile};

/// Where a rule holds. All but `Everywhere` leave tests out.
#[derive(Clone, Copy)]
enum Scope {
    Everywhere,
    Product,
    /// The crates that are linked into others: what they write to standard output belongs to somebody else.
    Rooms,
    Engine,
}

/// What is banned, where, and what to do instead.
const RULES: [(&str, Scope, &str); 20] = [
    ("#[ignore", Scope::Everywhere, "a test runs or is deleted"),
    ("#[allow(", Scope::Everywhere, "mend what the lint says"),
    ("#![allow(", Scope::Everywhere, "mend what the lint says"),
    ("todo!", Scope::Product, "build it, or answer UNIMPLEMENTED"),
    ("unimplemented!", Scope::Product, "build it, or answer UNIMPLEMENTED"),
    ("dbg!", Scope::Product, "use tracing"),
    (".unwrap()", Scope::Product, "use `?`, or `expect` with the reason why it cannot fail"),
    ("println!", Scope::Rooms, "use tracing"),
    ("eprintln!", Scope::Rooms, "use tracing"),
    ("std::time", Scope::Engine, "take the time from `Ctx`"),
    ("SystemTime", Scope::Engine, "take the time from `Ctx`"),
    ("Instant", Scope::Engine, "take the time from `Ctx`"),
    ("Utc::now", Scope::Engine, "take the time from `Ctx`"),
    ("Local::now", Scope::Engine, "take the time from `Ctx`"),
    ("rand", Scope::Engine, "take ids from `Ctx`"),
    ("Uuid::new_v4", Scope::Engine, "take ids from `Ctx`"),
    ("Uuid::now_v7", Scope::Engine, "take ids from `Ctx`"),
    ("tokio", Scope::Engine, "do it in history: the engine does no I/O"),
    ("tonic", Scope::Engine, "return a `Reject`; frontend makes the gRPC status"),
    ("sqlx", Scope::Engine, "do it in storage"),
];

const ROOMS: [&str; 6] = ["proto/src", "engine/src", "storage/src", "matching/src", "history/src", "frontend/src"];

/// The one file that may silence lints: it includes generated code.
const GENERATED: &str = "proto/src/lib.rs";

/// Words of unfinished work: it belongs into an issue.
const UNFINISHED: [&str; 2] = ["TODO", "FIXME"];

pub(super) fn check(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (banned, scope, instead) in RULES {
        if !scope.holds_in(file.path) || (banned.contains("allow(") && file.path == Path::new(GENERATED)) {
            continue;
        }
        for offset in words(&file.masked.code, banned) {
            let is_test = file.is_test || file.masked.is_in_tests(offset);
            if matches!(scope, Scope::Everywhere) || !is_test {
                let text = format!("`{banned}` is banned here: {instead}");
                findings.push(Finding::failure(file.path, file.masked.line(offset), text));
            }
        }
    }
    for word in UNFINISHED {
        for offset in words(&file.masked.comments, word) {
            let text = format!("{word}: write an issue instead");
            findings.push(Finding::failure(file.path, file.masked.line(offset), text));
        }
    }
    findings
}

impl Scope {
    fn holds_in(self, path: &Path) -> bool {
        match self {
            Scope::Everywhere | Scope::Product => true,
            Scope::Rooms => ROOMS.iter().any(|room| path.starts_with(room)),
            Scope::Engine => path.starts_with("engine/src"),
        }
    }
}

/// Offsets of `word` where it is not a part of a longer name.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let starts_name = word.starts_with(is_name);
    let ends_name = word.ends_with(is_name);
    text.match_indices(word).map(|(offset, _)| offset).filter(move |offset| {
        let before = starts_name && text[..*offset].ends_with(is_name);
        let after = ends_name && text[offset + word.len()..].starts_with(is_name);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::super::Masked;
    use super::*;

    #[test]
    fn calls_are_found_where_they_are_banned() {
        let cases = [
            ("engine/src/a.rs", "use std::time::Duration;", 1),
            ("history/src/a.rs", "use std::time::Instant;", 0),
            ("engine/src/a.rs", "fn operand(instant: u8) {}", 0),
            ("engine/src/a.rs", "// no tokio here", 0),
            ("engine/src/a.rs", "let a = \"tokio\";", 0),
            ("engine/src/a.rs", "#[cfg(test)] mod tests { use rand::Rng; }", 0),
            ("storage/src/a.rs", "a.unwrap(); b.unwrap_or(1);", 1),
            ("storage/src/a.rs", "println!(); eprintln!();", 2),
            ("cli/src/a.rs", "println!();", 0),
            ("cli/src/a.rs", "#[allow(dead_code)] fn a() { todo!() }", 2),
            ("proto/src/lib.rs", "#[allow(clippy::all)] mod generated {}", 0),
            ("cli/src/a.rs", "#[cfg(test)] mod tests { #[ignore = \"slow\"] fn a() { b.unwrap() } }", 1),
            ("cli/src/a.rs", "// TODO: later", 1),
        ];
        for (path, text, expected) in cases {
            let file = RustFile { path: Path::new(path), masked: Masked::new(text), is_test: false };
            assert_eq!(check(&file).len(), expected, "{path}: {text}");
        }
    }
}

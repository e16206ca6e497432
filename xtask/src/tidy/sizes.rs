//! Files that a reader can hold in mind.

use std::path::Path;

use super::Finding;

const LINES_WARN: usize = 400;
const LINES_MAX: usize = 800;

/// Whether people write and read this file as source.
pub(super) fn is_source(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| matches!(extension, "rs" | "py" | "go" | "sql" | "proto"))
}

pub(super) fn check(path: &Path, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        return Some(Finding::failure(path, 0, format!("{lines} lines; split it, the limit is {LINES_MAX}")));
    }
    (lines > LINES_WARN).then(|| Finding::warning(path, 0, format!("{lines} lines; {LINES_WARN} should be enough")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_decides_between_nothing_a_warning_and_a_failure() {
        for (lines, expected) in [(400, None), (401, Some(false)), (800, Some(false)), (801, Some(true))] {
            let finding = check(Path::new("a.rs"), &"line\n".repeat(lines));
            assert_eq!(finding.map(|finding| finding.is_failure()), expected, "{lines} lines");
        }
    }
}

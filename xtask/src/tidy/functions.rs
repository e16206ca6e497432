//! Functions that fit on a screen. Functions of tests are left out: a table of cases may be longer, and reads well.

use super::masked::after_closing;
use super::{Finding, RustFile};

const LINES_MAX: usize = 70;

pub(super) fn check(file: &RustFile) -> Vec<Finding> {
    if file.is_test {
        return Vec::new();
    }
    let code = &file.masked.code;
    let starts = code.match_indices("fn ").map(|(start, _)| start);
    let starts = starts.filter(|start| !code[..*start].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    starts.filter(|start| !file.masked.is_in_tests(*start)).filter_map(|start| too_long(file, start)).collect()
}

fn too_long(file: &RustFile, start: usize) -> Option<Finding> {
    let code = &file.masked.code;
    let body = body(code, start)?;
    let first = file.masked.line(start);
    let lines = file.masked.line(after_closing(code, body) - 1) - first + 1;
    let name = code[start + 3..].split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    let text = format!("{name} has {lines} lines; split it, the limit is {LINES_MAX}");
    (lines > LINES_MAX).then(|| Finding::failure(file.path, first, text))
}

/// The brace that opens the body of the function at `start`; none for a declaration in a trait and for a type `fn (…)`.
fn body(code: &str, start: usize) -> Option<usize> {
    let parameters = start + code[start..].find(['(', ';'])?;
    if !code[parameters..].starts_with('(') || code[start + 3..parameters].trim().is_empty() {
        return None;
    }
    let after = after_closing(code, parameters);
    let end = after + code[after..].find(['{', ';'])?;
    code[end..].starts_with('{').then_some(end)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Masked;
    use super::*;

    #[test]
    fn only_bodies_over_the_limit_are_found() {
        let body = |lines: usize| "    work();\n".repeat(lines - 2);
        let cases = [
            (format!("fn fits() {{\n{}}}\n", body(70)), vec![]),
            (format!("fn long() {{\n{}}}\n", body(71)), vec!["long has 71 lines"]),
            (format!("#[cfg(test)]\nmod tests {{\nfn long() {{\n{}}}\n}}\n", body(71)), vec![]),
            (format!("trait T {{ fn short(&self); }}\nfn b() {{}}\n{}", body(90)), vec![]),
            (format!("fn one() {{ \"}}\"; }}\nfn two(f: fn (u8)) {{\n{}}}", body(80)), vec!["two has 80 lines"]),
        ];
        for (text, expected) in cases {
            let file = RustFile { path: Path::new("a.rs"), masked: Masked::new(&text), is_test: false };
            let found: Vec<String> = check(&file).into_iter().map(|finding| finding.text).collect();
            assert_eq!(found.len(), expected.len(), "{found:?} in {text}");
            assert!(found.iter().zip(&expected).all(|(found, expected)| found.starts_with(expected)), "{found:?}");
        }
    }
}

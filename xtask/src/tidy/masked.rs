//! Rust source with comments and literals taken out, so that a search for a call does not find its name in a sentence.

/// One file in two texts. Both have the length and the lines of the file; what belongs to the other is blank.
pub(super) struct Masked {
    /// Code without comments, without the contents of string and character literals.
    pub(super) code: String,
    /// Comments alone.
    pub(super) comments: String,
    /// Where the code is compiled for tests only: `#[cfg(test)]` to the end of its item, as byte ranges of `code`.
    tests: Vec<std::ops::Range<usize>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Masked {
    pub(super) fn new(text: &str) -> Masked {
        let bytes = text.as_bytes();
        let (mut code, mut comments) = (blank(bytes), blank(bytes));
        let mut at = 0;
        while at < bytes.len() {
            let (kind, length) = token(bytes, at);
            let range = at..(at + length).min(bytes.len());
            match kind {
                Kind::Code => code[range.clone()].copy_from_slice(&bytes[range.clone()]),
                Kind::Comment => comments[range.clone()].copy_from_slice(&bytes[range.clone()]),
                Kind::Literal => {}
            }
            at = range.end;
        }
        let code = String::from_utf8_lossy(&code).into_owned();
        let tests = test_items(&code);
        Masked { code, comments: String::from_utf8_lossy(&comments).into_owned(), tests }
    }

    pub(super) fn is_in_tests(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    /// The line of a byte offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.code.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// The offset just after the bracket that closes the one at `open`; the end of the text where none does.
pub(super) fn after_closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return offset + 1;
        }
    }
    code.len()
}

fn blank(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }).collect()
}

/// What starts at `at`, and how many bytes it has.
fn token(bytes: &[u8], at: usize) -> (Kind, usize) {
    let rest = &bytes[at..];
    let starts_word = at == 0 || !is_word(bytes[at - 1]);
    if rest.starts_with(b"//") {
        return (Kind::Comment, rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if starts_word && let Some(length) = raw_string(rest) {
        return (Kind::Literal, length);
    }
    match rest[0] {
        b'"' => (Kind::Literal, quoted(rest, b'"')),
        b'\'' => character(rest).map_or((Kind::Code, 1), |length| (Kind::Literal, length)),
        _ => (Kind::Code, 1),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of `r"…"`, `r#"…"#` or their byte form.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = if rest.starts_with(b"br") { 2 } else { 1 };
    if rest[prefix - 1] != b'r' {
        return None;
    }
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let start = prefix + hashes;
    if rest.get(start) != Some(&b'"') {
        return None;
    }
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &rest[start + 1..];
    let length = body.windows(end.len()).position(|window| window == end).unwrap_or(body.len());
    Some(start + 1 + length + end.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a character literal; nothing for a lifetime or a label.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let text = std::str::from_utf8(rest.get(1..rest.len().min(6))?);
    let valid = text.unwrap_or_else(|error| std::str::from_utf8(&rest[1..1 + error.valid_up_to()]).unwrap_or_default());
    let length = 1 + valid.chars().next()?.len_utf8();
    (rest.get(length) == Some(&b'\'')).then_some(length + 1)
}

fn test_items(code: &str) -> Vec<std::ops::Range<usize>> {
    let starts = code.match_indices("#[cfg(test)]").map(|(start, _)| start);
    starts
        .map(|start| {
            let item = start + "#[cfg(test)]".len();
            let end = code[item..].find(['{', ';']).map_or(code.len(), |offset| item + offset);
            start..if code[end..].starts_with('{') { after_closing(code, end) } else { end }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_comments_are_told_apart() {
        let cases = [
            ("a(); // b()", "a();       ", "      // b()"),
            ("/* a /* b */ c */ d", "d", "/* a /* b */ c */"),
            (r#"f("a // \" b", c)"#, "f(             , c)", ""),
            (r##"f(r#"a"b"#, br"c")"##, "f(        ,      )", ""),
            ("'a' 'static '\\'' 'é' b", "'static           b", ""),
            ("for_r\"a\"", "for_r", ""),
        ];
        for (text, code, comments) in cases {
            let masked = Masked::new(text);
            assert_eq!(squeeze(&masked.code), squeeze(code), "code of {text}");
            assert_eq!(squeeze(&masked.comments), squeeze(comments), "comments of {text}");
            assert_eq!(masked.code.len(), text.len(), "length of {text}");
        }
    }

    #[test]
    fn test_items_end_with_their_item() {
        let masked =
            Masked::new("fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n#[cfg(test)]\nmod t;\nfn d() {}");
        for (name, expected) in [("fn a", false), ("fn b", true), ("fn c", false), ("mod t;", true), ("fn d", false)] {
            let offset = masked.code.find(name).unwrap();
            assert_eq!(masked.is_in_tests(offset), expected, "{name}");
        }
    }

    fn squeeze(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

//! Path templates of `google.api.http`, as far as Temporal's API uses them: literals and `{field.path}`, each one segment.

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// The path of the field that takes the segment.
    Field(String),
}

/// `/namespaces/{namespace}/workflows`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Segment>);

impl Template {
    /// None for the forms that no route has: wildcards, several segments in one field, verbs.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.strip_prefix('/')?.split('/').map(segment).collect::<Option<_>>().map(Self)
    }

    /// The values of the fields, in the order of [`Template::fields`], if the decoded segments of a path match.
    pub(super) fn values<'p>(&self, path: &'p [String]) -> Option<Vec<&'p str>> {
        let mut values = Vec::new();
        for (segment, value) in self.0.iter().zip(path) {
            match segment {
                Segment::Literal(literal) if literal == value => {}
                Segment::Literal(_) => return None,
                Segment::Field(_) => values.push(value.as_str()),
            }
        }
        (path.len() == self.0.len()).then_some(values)
    }

    /// Paths of the fields, in the order of the path.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Field(field) => Some(field.as_str()),
            Segment::Literal(_) => None,
        })
    }
}

fn segment(text: &str) -> Option<Segment> {
    let is_plain = |text: &str| !text.is_empty() && !text.contains(['{', '}', '*', '=', ':']);
    match text.strip_prefix('{').map(|text| text.strip_suffix('}')) {
        Some(Some(field)) => is_plain(field).then(|| Segment::Field(field.to_owned())),
        Some(None) => None,
        None => is_plain(text).then(|| Segment::Literal(text.to_owned())),
    }
}

/// The segments of a path as it came, each decoded: `%2F` does not divide. None where a `%` is followed by no byte, or the
/// bytes are no UTF-8.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

fn decode(segment: &str) -> Option<String> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = segment.as_bytes();
    let escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    if escapes.map(|(at, _)| at).any(|at| !is_hex(bytes.get(at + 1)) || !is_hex(bytes.get(at + 2))) {
        return None;
    }
    percent_encoding::percent_decode_str(segment).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        for text in ["", "system-info", "/a/", "/a/*", "/a/**", "/{a=b/*}", "/{a", "/a}", "/{}", "/a:verb", "//a"] {
            assert_eq!(Template::parse(text), None, "{text}");
        }
        let template = Template::parse("/namespaces/{namespace}/workflows/{execution.workflow_id}").unwrap();
        assert_eq!(template.fields().collect::<Vec<_>>(), ["namespace", "execution.workflow_id"]);
    }

    #[test]
    fn paths() {
        let template = Template::parse("/n/{namespace}/w/{execution.workflow_id}").unwrap();
        let cases = [
            ("/n/default/w/id", Some(("default", "id"))),
            ("/n/default/w/a%2Fb%20%25", Some(("default", "a/b %"))),
            ("/n//w/", Some(("", ""))),
            ("/n/%6E/w/{x}:y", Some(("n", "{x}:y"))),
            ("/n/default/w", None),
            ("/n/default/w/id/", None),
            ("/n/default/x/id", None),
            ("/N/default/w/id", None),
            ("n/default/w/id", None),
            ("/n/default/w/%", None),
            ("/n/default/w/%4", None),
            ("/n/default/w/%zz", None),
            ("/n/default/w/%FF", None),
        ];
        for (path, expected) in cases {
            let path_segments = segments(path);
            let found = path_segments.as_deref().and_then(|path| template.values(path));
            let expected = expected.map(|(a, b)| vec![a, b]);
            assert_eq!(found, expected, "{path}");
        }
    }
}

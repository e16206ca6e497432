//! Flags that name a value of an enum of the API, in the spelling of Temporal's CLI and in any case.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// A parser for `names` like `AllowDuplicate`, which the API calls `<prefix>ALLOW_DUPLICATE`.
pub(crate) fn choices<E: Clone + Send + Sync + 'static>(
    prefix: &'static str,
    names: &'static [&'static str],
    parse: fn(&str) -> Option<E>,
) -> impl TypedValueParser<Value = E> {
    PossibleValuesParser::new(names).try_map(move |chosen| {
        // As it is spelled in `names`: the flag may have it in another case.
        let name = names.iter().find(|name| name.eq_ignore_ascii_case(&chosen)).copied().unwrap_or_default();
        parse(&format!("{prefix}{}", screaming(name))).ok_or_else(|| format!("the API has no {name}"))
    })
}

/// `AllowDuplicate` is `ALLOW_DUPLICATE`.
pub(crate) fn screaming(name: &str) -> String {
    let mut text = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// `ALLOW_DUPLICATE` is `AllowDuplicate`.
pub(crate) fn camel(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_ascii_lowercase())
    };
    name.split('_').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (camel_case, screaming_case) in
            [("AllowDuplicate", "ALLOW_DUPLICATE"), ("Skip", "SKIP"), ("KeywordList", "KEYWORD_LIST"), ("", "")]
        {
            assert_eq!(screaming(camel_case), screaming_case);
            assert_eq!(camel(screaming_case), camel_case);
        }
        assert_eq!(screaming("not_open"), "NOT_OPEN");
    }
}

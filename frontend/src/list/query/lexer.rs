//! Words, values and signs of a list filter. Never fails: what it cannot read becomes [`Kind::Illegal`], and the parser says
//! where it stands.

use winnow::{
    LocatingSlice, ModalResult, Parser,
    ascii::{digit0, digit1, multispace1, till_line_ending},
    combinator::{alt, delimited, eof, opt, preceded, repeat, terminated},
    token::{any, none_of, one_of, rest, take_until, take_while},
};

type Input<'s> = LocatingSlice<&'s str>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind<'s>,
    /// Offset of the first byte behind it.
    pub(super) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'s> {
    /// A keyword or an unquoted name.
    Word(&'s str),
    /// A name in backticks.
    Name(String),
    Text(String),
    Int(&'s str),
    Float(&'s str),
    Sign(&'s str),
    Illegal(&'s str),
}

/// All tokens of a filter.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut input = LocatingSlice::new(text);
    let mut tokens = Vec::new();
    while let Ok((kind, span)) = preceded(gap, token.with_span()).parse_next(&mut input) {
        tokens.push(Token { kind, end: span.end });
    }
    tokens
}

/// White space and comments.
fn gap<'s>(input: &mut Input<'s>) -> ModalResult<()> {
    let line = (alt(("--", "#")), till_line_ending).void();
    let block = ("/*", take_until(0.., "*/"), "*/").void();
    repeat(0.., alt((multispace1.void(), line, block))).parse_next(input)
}

fn token<'s>(input: &mut Input<'s>) -> ModalResult<Kind<'s>> {
    alt((
        word.map(Kind::Word),
        number,
        quoted('`').map(Kind::Name),
        quoted('\'').map(Kind::Text),
        quoted('"').map(Kind::Text),
        sign.map(Kind::Sign),
        // A string or name that does not end.
        preceded(one_of(['\'', '"', '`']), rest).map(Kind::Illegal),
        any.take().map(Kind::Illegal),
    ))
    .parse_next(input)
}

fn word<'s>(input: &mut Input<'s>) -> ModalResult<&'s str> {
    let first = one_of(|c: char| c.is_ascii_alphabetic() || c == '_');
    (first, take_while(0.., |c: char| c.is_ascii_alphanumeric() || c == '_')).take().parse_next(input)
}

fn number<'s>(input: &mut Input<'s>) -> ModalResult<Kind<'s>> {
    let exponent = || (one_of(['e', 'E']), opt(one_of(['+', '-'])), digit1).void();
    let with_point = alt(((digit1, '.', digit0).void(), ('.', digit1).void()));
    alt((
        alt(((with_point, opt(exponent())).take(), (digit1, exponent()).take())).map(Kind::Float),
        digit1.map(Kind::Int),
    ))
    .parse_next(input)
}

fn sign<'s>(input: &mut Input<'s>) -> ModalResult<&'s str> {
    let single =
        one_of(['=', '<', '>', '(', ')', ',', '.', ';', '-', '*', '+', '/', '%', '&', '|', '^', '~', '!']).take();
    alt(("<=>", "<=", ">=", "<>", "!=", "&&", "||", alt(("<<", ">>", "->")), single)).parse_next(input)
}

/// Doubling the quote or a backslash puts a quote inside.
fn quoted<'s>(quote: char) -> impl Parser<Input<'s>, String, winnow::error::ErrMode<winnow::error::ContextError>> {
    let character = move |input: &mut Input<'s>| -> ModalResult<char> {
        alt((terminated(quote, quote), preceded('\\', any).map(unescape), none_of([quote, '\\']))).parse_next(input)
    };
    let text = repeat(0.., character).fold(String::new, |mut text, c| {
        text.push(c);
        text
    });
    delimited(quote, text, quote)
}

fn unescape(escaped: char) -> char {
    match escaped {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        other => other,
    }
}

/// `5`, `-5` and the like, as a whole: for durations and numbers in strings.
pub(super) fn integer(text: &str) -> Option<i64> {
    let mut digits = text;
    let parsed: ModalResult<&str> = terminated((opt('-'), digit1).take(), eof).parse_next(&mut digits);
    parsed.ok()?.parse().ok()
}

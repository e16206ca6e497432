//! The grammar of list filters: the part of SQL behind WHERE that Temporal takes, with `STARTS_WITH`.
//!
//! ```text
//! query     = [or] ["GROUP" "BY" name {"," name}] ["ORDER" "BY" name ["ASC" | "DESC"] {"," …}] ["LIMIT" …] [";"]
//! or        = and {"OR" and}
//! and       = not {"AND" not}
//! not       = {"NOT"} ( "(" or ")" | predicate )
//! predicate = operand [ compare operand | ["NOT"] ("IN" | "LIKE" | "REGEXP" | "STARTS_WITH") operand
//!                     | ["NOT"] "BETWEEN" operand "AND" operand | "IS" ["NOT"] ("NULL" | "TRUE" | "FALSE") ]
//! operand   = simple {arithmetic simple}
//! simple    = name | literal | function | "(" operand {"," operand} ")" | "(" "SELECT" … ")" | "CASE" … "END"
//!           | "EXISTS" "(" … ")" | ("+" | "-" | "~" | "!") simple
//! ```
//!
//! Functions, arithmetic, subqueries and the like are read only so that the refusal can name them.

use super::{
    lexer::{Kind, Token, tokens},
    tree::{Expr, Operand, Query},
};

/// How deep parentheses and NOT may nest: bounds the stack that a filter can use.
pub(super) const DEPTH_MAX: usize = 64;

/// Temporal parses a whole statement, and its clients know the positions in it: the length of what it puts in front.
const BEFORE_WHERE: usize = "select * from table1 where ".len();
const BEFORE_CLAUSE: usize = "select * from table1 ".len();

const COMPARISONS: [&str; 8] = ["<=>", "<=", ">=", "!=", "<>", "=", "<", ">"];

/// Words that cannot be a name without backticks.
const RESERVED: [&str; 31] = [
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "desc",
    "div",
    "else",
    "end",
    "escape",
    "exists",
    "false",
    "from",
    "group",
    "having",
    "in",
    "is",
    "like",
    "limit",
    "not",
    "null",
    "offset",
    "or",
    "order",
    "regexp",
    "select",
    "starts_with",
    "true",
    "union",
    "where",
];

/// Why a text is no expression. What it reads like to clients depends on the list.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum ParseError {
    #[error("{0}")]
    Syntax(String),
    #[error("more than {DEPTH_MAX} nested expressions")]
    TooDeep,
}

/// Reads a filter; an empty one has no `filter`.
pub(crate) fn parse(text: &str) -> Result<Query, ParseError> {
    let text = text.trim();
    let starts_with = |clause: &str| text.get(..clause.len()).is_some_and(|start| start.eq_ignore_ascii_case(clause));
    let clause = starts_with("order by") || starts_with("group by");
    let before = if clause { BEFORE_CLAUSE } else { BEFORE_WHERE };
    let mut parser = Parser { tokens: tokens(text), next: 0, before, len: text.len(), depth: 0 };
    let filter = if clause || text.is_empty() { None } else { Some(parser.or()?) };
    parser.clauses(filter)
}

/// Expressions; operands are in `operands.rs`.
pub(super) struct Parser<'s> {
    pub(super) tokens: Vec<Token<'s>>,
    /// The place of the next token.
    pub(super) next: usize,
    before: usize,
    len: usize,
    /// Of what is being read.
    pub(super) depth: usize,
}

impl<'s> Parser<'s> {
    fn clauses(&mut self, filter: Option<Expr>) -> Result<Query, ParseError> {
        let mut query = Query { filter, ..Query::default() };
        query.group_by = self.groups()?;
        if self.word("order") {
            self.expect_word("by")?;
            loop {
                let operand = self.operand()?;
                let descending = !self.word("asc") && self.word("desc");
                query.order_by.push((operand, descending));
                if !self.sign(",") {
                    break;
                }
            }
        }
        // Where SQL does not have it: the web UI counts with GROUP BY behind what its user wrote.
        if query.group_by.is_empty() {
            query.group_by = self.groups()?;
        }
        if self.word("limit") {
            query.has_limit = true;
            self.operands()?;
            if self.word("offset") {
                self.operand()?;
            }
        }
        self.sign(";");
        if self.next < self.tokens.len() { Err(self.syntax_error()) } else { Ok(query) }
    }

    fn groups(&mut self) -> Result<Vec<Operand>, ParseError> {
        if !self.word("group") {
            return Ok(Vec::new());
        }
        self.expect_word("by")?;
        self.operands()
    }

    fn or(&mut self) -> Result<Expr, ParseError> {
        let mut terms = vec![self.and()?];
        while self.word("or") || self.sign("||") {
            terms.push(self.and()?);
        }
        Ok(one_or(terms, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, ParseError> {
        let mut terms = vec![self.not()?];
        while self.word("and") || self.sign("&&") {
            terms.push(self.not()?);
        }
        Ok(one_or(terms, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ParseError::TooDeep);
        }
        let expr = if self.word("not") {
            Expr::Not(Box::new(self.not()?))
        } else if self.sign("(") {
            let inner = self.or()?;
            self.expect_sign(")")?;
            if self.at_comparison() { self.comparison(Operand::Other("*sqlparser.ParenExpr"))? } else { inner }
        } else {
            self.predicate()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn predicate(&mut self) -> Result<Expr, ParseError> {
        let left = self.operand()?;
        self.comparison(left)
    }

    fn at_comparison(&self) -> bool {
        let next = self.tokens.get(self.next).map(|token| &token.kind);
        matches!(next, Some(Kind::Sign(sign)) if COMPARISONS.contains(sign))
    }

    fn comparison(&mut self, left: Operand) -> Result<Expr, ParseError> {
        if self.word("is") {
            return self.is(left);
        }
        for operator in COMPARISONS {
            if self.sign(operator) {
                let operator = if operator == "<>" { "!=" } else { operator }.to_owned();
                return Ok(Expr::Compare { left, operator, right: self.operand()? });
            }
        }
        let negated = self.word("not");
        if self.word("between") {
            let low = self.operand()?;
            self.expect_word("and")?;
            return Ok(Expr::Between { left, negated, low, high: self.operand()? });
        }
        for operator in ["IN", "LIKE", "REGEXP", "STARTS_WITH"] {
            if self.word(operator) {
                let right = if operator == "IN" { self.list()? } else { self.operand()? };
                let operator = if negated { format!("NOT {operator}") } else { operator.to_owned() };
                return Ok(Expr::Compare { left, operator, right });
            }
        }
        if negated { Err(self.syntax_error()) } else { Ok(Expr::Bare(left)) }
    }

    fn is(&mut self, left: Operand) -> Result<Expr, ParseError> {
        let negated = self.word("not");
        if self.word("null") {
            Ok(Expr::IsNull { left, negated })
        } else if self.word("true") || self.word("false") {
            Ok(Expr::IsTruth(left))
        } else {
            Err(self.syntax_error())
        }
    }

    /// Takes the next token if it is this keyword.
    pub(super) fn word(&mut self, keyword: &str) -> bool {
        self.take(|kind| matches!(kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword)))
    }

    pub(super) fn sign(&mut self, sign: &str) -> bool {
        self.take(|kind| *kind == Kind::Sign(sign))
    }

    fn take(&mut self, wanted: impl Fn(&Kind<'_>) -> bool) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|token| wanted(&token.kind));
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, keyword: &str) -> Result<(), ParseError> {
        if self.word(keyword) { Ok(()) } else { Err(self.syntax_error()) }
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<(), ParseError> {
        if self.sign(sign) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// At the next token: Temporal counts from 1, in its whole statement, and has read one character more.
    pub(super) fn syntax_error(&self) -> ParseError {
        let (end, near) = match self.tokens.get(self.next) {
            Some(token) => (token.end, Some(near(&token.kind))),
            None => (self.len, None),
        };
        let position = self.before + end + 1;
        let near = near.filter(|near| !near.is_empty()).map(|near| format!(" near '{near}'")).unwrap_or_default();
        ParseError::Syntax(format!("syntax error at position {position}{near}"))
    }
}

fn one_or(mut terms: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => {
            terms.extend(last);
            many(terms)
        }
    }
}

pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}

/// How an error shows a token: keywords in lower case, strings without quotes, signs not at all.
fn near(kind: &Kind<'_>) -> String {
    match kind {
        Kind::Word(word) if is_reserved(word) => word.to_ascii_lowercase(),
        Kind::Word(text) | Kind::Int(text) | Kind::Float(text) | Kind::Illegal(text) => (*text).to_owned(),
        Kind::Name(text) | Kind::Text(text) => text.clone(),
        Kind::Sign(_) => String::new(),
    }
}

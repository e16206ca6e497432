//! Operands of the filters: names, literals, and what is read only so that the refusal can name it.

use super::{
    lexer::Kind,
    parser::{DEPTH_MAX, ParseError, Parser, is_reserved},
    tree::Operand,
};

const ARITHMETIC: [&str; 11] = ["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "->"];

impl<'s> Parser<'s> {
    pub(super) fn operands(&mut self) -> Result<Vec<Operand>, ParseError> {
        let mut operands = vec![self.operand()?];
        while self.sign(",") {
            operands.push(self.operand()?);
        }
        Ok(operands)
    }

    /// What stands in parentheses, as a list even if it is one value.
    pub(super) fn list(&mut self) -> Result<Operand, ParseError> {
        self.expect_sign("(")?;
        if self.word("select") {
            self.skip_to_closing()?;
            return Ok(Operand::Other("*sqlparser.Subquery"));
        }
        let operands = self.operands()?;
        self.expect_sign(")")?;
        Ok(Operand::List(operands))
    }

    pub(super) fn operand(&mut self) -> Result<Operand, ParseError> {
        let mut operand = self.simple()?;
        while ARITHMETIC.into_iter().any(|operator| self.sign(operator)) || self.word("div") || self.word("mod") {
            self.simple()?;
            operand = Operand::Other("*sqlparser.BinaryExpr");
        }
        Ok(operand)
    }

    fn simple(&mut self) -> Result<Operand, ParseError> {
        for sign in ["-", "+", "~", "!"] {
            if self.sign(sign) {
                return self.signed(sign);
            }
        }
        let Some(token) = self.tokens.get(self.next) else { return Err(self.syntax_error()) };
        let operand = match &token.kind {
            Kind::Int(digits) => Operand::Int((*digits).to_owned()),
            Kind::Float(digits) => Operand::Float((*digits).to_owned()),
            Kind::Text(text) => Operand::Text(text.clone()),
            Kind::Name(name) => Operand::Name(name.clone()),
            Kind::Word(word) => return self.word_operand(word),
            Kind::Sign("(") => {
                return Ok(match self.list()? {
                    Operand::List(operands) if operands.len() == 1 => Operand::Other("*sqlparser.ParenExpr"),
                    other => other,
                });
            }
            Kind::Sign(_) | Kind::Illegal(_) => return Err(self.syntax_error()),
        };
        self.next += 1;
        Ok(operand)
    }

    /// After a sign: a number, or what is not supported.
    fn signed(&mut self, sign: &str) -> Result<Operand, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ParseError::TooDeep);
        }
        let operand = self.simple()?;
        self.depth -= 1;
        Ok(match (sign, operand) {
            ("+", number @ (Operand::Int(_) | Operand::Float(_))) => number,
            ("-", Operand::Int(digits)) if !digits.starts_with('-') => Operand::Int(format!("-{digits}")),
            ("-", Operand::Float(digits)) if !digits.starts_with('-') => Operand::Float(format!("-{digits}")),
            _ => Operand::Other("*sqlparser.UnaryExpr"),
        })
    }

    fn word_operand(&mut self, word: &'s str) -> Result<Operand, ParseError> {
        if self.word("true") {
            return Ok(Operand::Bool(true));
        }
        if self.word("false") {
            return Ok(Operand::Bool(false));
        }
        if self.word("null") {
            return Ok(Operand::Other("*sqlparser.NullVal"));
        }
        if self.word("case") {
            while !self.word("end") {
                self.skip()?;
            }
            return Ok(Operand::Other("*sqlparser.CaseExpr"));
        }
        if self.word("exists") {
            self.expect_sign("(")?;
            self.skip_to_closing()?;
            return Ok(Operand::Other("*sqlparser.ExistsExpr"));
        }
        if is_reserved(word) {
            return Err(self.syntax_error());
        }
        self.next += 1;
        if self.sign("(") {
            self.skip_to_closing()?;
            return Ok(Operand::Function(word.to_owned()));
        }
        let mut name = word.to_owned();
        while self.sign(".") {
            let Some(Kind::Word(part)) = self.tokens.get(self.next).map(|token| token.kind.clone()) else {
                return Err(self.syntax_error());
            };
            self.next += 1;
            name.push('.');
            name.push_str(part);
        }
        Ok(Operand::Name(name))
    }

    fn skip(&mut self) -> Result<(), ParseError> {
        if self.next == self.tokens.len() {
            return Err(self.syntax_error());
        }
        self.next += 1;
        Ok(())
    }

    fn skip_to_closing(&mut self) -> Result<(), ParseError> {
        let mut open = 1;
        while open > 0 {
            if self.sign("(") {
                open += 1;
            } else if self.sign(")") {
                open -= 1;
            } else {
                self.skip()?;
            }
        }
        Ok(())
    }
}

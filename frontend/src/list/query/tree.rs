//! What the text of a filter says, before names and values are looked at.

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) filter: Option<Expr>,
    pub(crate) group_by: Vec<Operand>,
    /// Each with whether it descends.
    pub(crate) order_by: Vec<(Operand, bool)>,
    pub(crate) has_limit: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// The operator is in upper case, with its `NOT`.
    Compare {
        left: Operand,
        operator: String,
        right: Operand,
    },
    Between {
        left: Operand,
        negated: bool,
        low: Operand,
        high: Operand,
    },
    IsNull {
        left: Operand,
        negated: bool,
    },
    IsTruth(Operand),
    Bare(Operand),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Name(String),
    Text(String),
    /// Digits with their sign.
    Int(String),
    Float(String),
    Bool(bool),
    List(Vec<Operand>),
    Function(String),
    /// What is not supported at all, by the name that Temporal's errors use for it.
    Other(&'static str),
}

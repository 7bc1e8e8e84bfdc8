//! Tokens to a tree, by precedence climbing.

use super::Refusal;
use super::ast::{Argument, Binary, Expr, Node, Unary};
use super::lex::{Token, tokens};
use crate::diagnose::Span;

/// How deep an expression may nest, so that neither the call stack nor a program's stack overflows.
pub(super) const DEPTH_MAX: u32 = 10;

pub(super) fn parse(text: &str) -> Result<Expr, Refusal> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, end: text.trim_end().len() };
    if parser.tokens.is_empty() {
        return Err(Refusal::new(0..text.len(), "this expression is empty").help(EXAMPLE));
    }
    let whole = parser.choice()?;
    match parser.tokens.get(parser.at) {
        None => Ok(whole),
        Some((token, span)) => Err(after_value(token, span)),
    }
}

const EXAMPLE: &str = "write a comparison of metrics, such as `metric(\"hub\", \"devices.online\") == 3`";

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: u32,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// Where the next token is, or the end of the text.
    fn place(&self) -> Span {
        let end = self.end.saturating_sub(1)..self.end;
        self.tokens.get(self.at).map_or(end, |(_, span)| span.clone())
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &Token) -> Result<Span, Refusal> {
        let span = self.place();
        if self.take(wanted) {
            return Ok(span);
        }
        let what = match self.peek() {
            Some(found) => format!("expected {} here, not {}", wanted.told(), found.told()),
            None => format!("expected {} after this, but the expression ends", wanted.told()),
        };
        Err(Refusal::new(span, what))
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Refusal::new(self.place(), "this expression is nested too deeply")
                .help("split it into several expectations"));
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// `condition ? yes : no`, or anything simpler.
    fn choice(&mut self) -> Result<Expr, Refusal> {
        self.nested(|parser| {
            let condition = parser.climb(0)?;
            if !parser.take(&Token::Question) {
                return Ok(condition);
            }
            let yes = parser.climb(0)?;
            parser.expect(&Token::Colon)?;
            let no = parser.choice()?;
            Ok(Expr {
                span: condition.span.start..no.span.end,
                node: Node::Choice(Box::new(condition), Box::new(yes), Box::new(no)),
            })
        })
    }

    /// Operators that bind more tightly than `floor`, all of them to the left.
    fn climb(&mut self, floor: u8) -> Result<Expr, Refusal> {
        let mut left = self.prefix()?;
        let mut compared = false;
        while let Some(Token::Operator(operator)) = self.peek() {
            let operator = *operator;
            if operator.precedence() <= floor {
                break;
            }
            if operator.is_comparison() && std::mem::replace(&mut compared, true) {
                return Err(Refusal::new(self.place(), "comparisons cannot be chained").help("write `a < b && b < c`"));
            }
            self.at += 1;
            let right = self.climb(operator.precedence())?;
            left = Expr {
                span: left.span.start..right.span.end,
                node: Node::Binary(operator, Box::new(left), Box::new(right)),
            };
            compared &= operator.precedence() >= 3;
        }
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Expr, Refusal> {
        let start = self.place().start;
        let operator = match self.peek() {
            Some(Token::Not) => Unary::Not,
            Some(Token::Operator(Binary::Subtract)) => Unary::Negate,
            _ => return self.value(),
        };
        self.at += 1;
        // The least integer has no positive twin, so the sign belongs to the digits.
        if let (Unary::Negate, Some(Token::Int(digits))) = (operator, self.peek()) {
            let span = start..self.place().end;
            let node = Node::Int(integer(&format!("-{digits}"), &span)?);
            self.at += 1;
            return Ok(Expr { span, node });
        }
        let operand = self.nested(Self::prefix)?;
        Ok(Expr { span: start..operand.span.end, node: Node::Unary(operator, Box::new(operand)) })
    }

    fn value(&mut self) -> Result<Expr, Refusal> {
        let span = self.place();
        let Some(token) = self.peek().cloned() else {
            return Err(Refusal::new(span, "a value is missing after this"));
        };
        self.at += 1;
        let node = match token {
            Token::Int(digits) => Node::Int(integer(&digits, &span)?),
            Token::Open => {
                let inner = self.choice()?;
                let end = self.expect(&Token::Close)?.end;
                return Ok(Expr { span: span.start..end, node: inner.node });
            }
            Token::Word(word) if word == "true" => Node::Bool(true),
            Token::Word(word) if word == "false" => Node::Bool(false),
            Token::Word(word) if self.take(&Token::Open) => return self.call(word, span.start),
            Token::Word(word) => return Err(bare_word(&word, span)),
            Token::Text(_) => {
                return Err(Refusal::new(span, "text is not a value here")
                    .help("names are arguments: `metric(\"hub\", \"devices.online\")`"));
            }
            other => {
                return Err(Refusal::new(span, format!("a value is missing before {}", other.told())));
            }
        };
        Ok(Expr { span, node })
    }

    fn call(&mut self, function: String, start: usize) -> Result<Expr, Refusal> {
        let mut arguments = Vec::new();
        while let Some(Token::Text(text)) = self.peek() {
            let text = text.clone();
            let span = self.place();
            arguments.push(Argument { span, text });
            self.at += 1;
            if !self.take(&Token::Comma) {
                break;
            }
        }
        if let Some(Token::Text(_)) = self.peek() {
            return Err(Refusal::new(self.place(), "a comma is missing before this")
                .help(format!("write `{function}(\"…\", \"…\")`")));
        }
        if let Some(Token::Word(_) | Token::Int(_)) = self.peek() {
            return Err(Refusal::new(self.place(), "an argument is a quoted name")
                .help(format!("write `{function}(\"…\", \"…\")`")));
        }
        let end = self.expect(&Token::Close)?.end;
        Ok(Expr { span: start..end, node: Node::Call { function, arguments } })
    }
}

fn integer(digits: &str, span: &Span) -> Result<i64, Refusal> {
    let negative = digits.starts_with('-');
    let bare = digits.trim_start_matches('-');
    let parsed = match bare.strip_prefix("0x") {
        Some(hex) => {
            let sign = if negative { "-" } else { "" };
            i64::from_str_radix(&format!("{sign}{hex}"), 16)
        }
        None => digits.parse(),
    };
    parsed.map_err(|_| {
        if bare.chars().all(|c| c.is_ascii_digit()) {
            Refusal::new(span.clone(), "this number is beyond 64 bits")
        } else {
            Refusal::new(span.clone(), format!("`{digits}` is not an integer"))
                .help("metrics are integers: scale instead, as in `3 * a <= 2 * b`")
        }
    })
}

fn bare_word(word: &str, span: Span) -> Refusal {
    let refusal = Refusal::new(span, format!("`{word}` is not a value"));
    match word.split_once('.') {
        Some((node, metric)) => refusal.help(format!("write `metric(\"{node}\", \"{metric}\")`")),
        None => refusal.help("values are integers, `true`, `false`, and calls such as `metric(\"node\", \"name\")`"),
    }
}

/// A token where only an operator or the end can be.
fn after_value(token: &Token, span: &Span) -> Refusal {
    let meant = match token {
        Token::Stray('=') => Some("=="),
        Token::Stray('&') => Some("&&"),
        Token::Stray('|') => Some("||"),
        Token::Word(word) if word.eq_ignore_ascii_case("and") => Some("&&"),
        Token::Word(word) if word.eq_ignore_ascii_case("or") => Some("||"),
        _ => None,
    };
    let refusal = Refusal::new(span.clone(), format!("{} makes no sense here", token.told()));
    match meant {
        Some(meant) => refusal.help(format!("did you mean `{meant}`?")),
        None if *token == Token::Close => refusal.help("there is no `(` that this would close"),
        None => refusal.help("between two values stands an operator: || && == != < <= > >= + - * / %"),
    }
}

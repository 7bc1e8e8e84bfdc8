//! Text to tokens.

use winnow::Parser;
use winnow::ascii::multispace0;
use winnow::combinator::{alt, delimited, repeat, terminated};
use winnow::error::{ContextError, ErrMode};
use winnow::stream::LocatingSlice;
use winnow::token::{any, one_of, take_while};

use super::Refusal;
use super::ast::Binary;
use crate::diagnose::Span;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Int(String),
    Text(String),
    Word(String),
    Operator(Binary),
    Not,
    Open,
    Close,
    Comma,
    Question,
    Colon,
    /// A character that begins no token; told to the person by the parser.
    Stray(char),
}

impl Token {
    /// As it is called in messages.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Int(text) | Self::Word(text) => format!("`{text}`"),
            Self::Text(text) => format!("\"{text}\""),
            Self::Operator(operator) => format!("`{}`", operator.spelling()),
            Self::Not => "`!`".into(),
            Self::Open => "`(`".into(),
            Self::Close => "`)`".into(),
            Self::Comma => "`,`".into(),
            Self::Question => "`?`".into(),
            Self::Colon => "`:`".into(),
            Self::Stray(c) => format!("`{c}`"),
        }
    }
}

type Input<'i> = LocatingSlice<&'i str>;
type Error = ErrMode<ContextError>;

/// All tokens with their places.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Refusal> {
    let all = repeat(0.., terminated(token.with_span(), multispace0));
    let found: Result<Vec<(Token, Span)>, Error> =
        delimited(multispace0, all, multispace0).parse_next(&mut LocatingSlice::new(text));
    let found = found.map_err(|_| Refusal::new(0..text.len(), "this expression cannot be read"))?;
    let quote = |(token, span): &(Token, Span)| matches!(token, Token::Stray('"' | '\'')).then(|| span.clone());
    match found.iter().find_map(quote) {
        Some(span) => {
            Err(Refusal::new(span.start..text.len(), "this quote is never closed").help("close it with the same quote"))
        }
        None => Ok(found),
    }
}

fn token(input: &mut Input<'_>) -> Result<Token, Error> {
    alt((
        integer.map(Token::Int),
        word.map(Token::Word),
        quoted('"').map(Token::Text),
        quoted('\'').map(Token::Text),
        operator.map(Token::Operator),
        punctuation,
        any.map(Token::Stray),
    ))
    .parse_next(input)
}

/// Digits and whatever sticks to them, so that `12ms` is one token and one message.
fn integer(input: &mut Input<'_>) -> Result<String, Error> {
    (one_of('0'..='9'), take_while(0.., |c: char| c.is_alphanumeric() || c == '_' || c == '.'))
        .take()
        .map(|text: &str| text.to_owned())
        .parse_next(input)
}

/// A name with its dots and dashes inside: only functions and `true`/`false` are words, but a
/// person may write `hub.readings-stored`, and is told about all of it.
fn word(input: &mut Input<'_>) -> Result<String, Error> {
    (
        one_of(|c: char| c.is_alphabetic() || c == '_'),
        take_while(0.., |c: char| c.is_alphanumeric() || c == '_' || c == '.'),
    )
        .take()
        .map(|text: &str| text.to_owned())
        .parse_next(input)
}

fn quoted<'i>(quote: char) -> impl Parser<Input<'i>, String, Error> {
    delimited(quote, take_while(0.., move |c| c != quote), quote).map(|text: &str| text.to_owned())
}

fn operator(input: &mut Input<'_>) -> Result<Binary, Error> {
    let text: &str = input;
    // `!` alone is a prefix, and `=` alone is a slip that the parser names.
    let found = Binary::ALL.iter().find(|(spelling, _)| text.starts_with(spelling));
    match found {
        Some((spelling, operator)) => (*spelling).value(*operator).parse_next(input),
        None => Err(ErrMode::Backtrack(ContextError::new())),
    }
}

fn punctuation(input: &mut Input<'_>) -> Result<Token, Error> {
    alt((
        '!'.value(Token::Not),
        '('.value(Token::Open),
        ')'.value(Token::Close),
        ','.value(Token::Comma),
        '?'.value(Token::Question),
        ':'.value(Token::Colon),
    ))
    .parse_next(input)
}

//! `[[packet]]` and `given`: what happens to single frames, in place of what would be drawn.

use super::reader::Reader;
use super::scenario::{Chance, Damage, Direction, Packet, What};
use crate::diagnose::{Code, Problem, Span};

pub(super) fn given(root: &Reader<'_, '_>) -> Vec<Chance> {
    root.words("given").into_iter().flatten().map(|word| Chance::ALL[word]).collect()
}

pub(super) fn packets(root: &Reader<'_, '_>) -> Vec<Packet> {
    root.list("packet").into_iter().map(|(span, reader)| packet(span, &reader)).collect()
}

fn packet(span: Span, reader: &Reader<'_, '_>) -> Packet {
    Packet {
        span,
        link: reader.filled("link"),
        direction: reader.word("direction").map(|word| if word == 0 { Direction::Up } else { Direction::Down }),
        frame: reader.integer("frame").map(|frame| frame.into_inner().unsigned_abs()),
        what: what(reader),
    }
}

/// The words of `what` with the keys that go with them.
const WORDS: [(&str, &[&str]); 6] = [
    ("lose", &[]),
    ("duplicate", &["by"]),
    ("corrupt", &["flip", "truncate", "garble"]),
    ("delay", &["by"]),
    ("overtake", &[]),
    ("early-drop", &[]),
];

fn what(reader: &Reader<'_, '_>) -> Option<What> {
    let word = reader.word("what")?;
    let (name, goes_with) = WORDS[word];
    for key in ["by", "flip", "truncate", "garble"] {
        if let (Some(span), false) = (reader.key_span(key), goes_with.contains(&key)) {
            let what = format!("`{key}` has no meaning for \"{name}\"");
            let problem = Problem::new(Code::KeyConflict, span, what, "leave this out");
            let help = match goes_with {
                [] => format!("\"{name}\" takes nothing more"),
                keys => format!("\"{name}\" takes {}", crate::diagnose::list(keys.iter().copied())),
            };
            reader.sink().push(problem.help(help));
        }
    }
    Some(match word {
        0 => What::Lose,
        1 => What::Duplicate { later_ns: later(reader)? },
        2 => What::Corrupt(damage(reader)?),
        3 => What::Delay { by_ns: needed(reader, "by", "by = \"12ms\"", Reader::signed_time)?.get_ref().as_nanos() },
        4 => What::Overtake,
        _ => What::EarlyDrop,
    })
}

/// How much later the second one comes; at once if it is not said.
fn later(reader: &Reader<'_, '_>) -> Option<u64> {
    if !reader.has("by") {
        return Some(0);
    }
    let by = reader.signed_time("by")?;
    let later = u64::try_from(by.get_ref().as_nanos());
    if later.is_err() {
        let problem = Problem::new(Code::OutOfRange, by.span(), "the second cannot come before the first", "negative");
        reader.sink().push(problem.help("write, for example: by = \"12ms\""));
    }
    later.ok()
}

/// Reads a key that must be there for this word.
fn needed<'r, 'i, T>(
    reader: &Reader<'r, 'i>,
    key: &str,
    example: &str,
    read: impl Fn(&Reader<'r, 'i>, &str) -> Option<T>,
) -> Option<T> {
    if !reader.has(key) {
        missing(reader, &format!("`{key}` is missing"), example);
    }
    read(reader, key)
}

fn missing(reader: &Reader<'_, '_>, what: &str, example: &str) {
    let problem = Problem::new(Code::MissingKey, reader.span(), what, "here");
    reader.sink().push(problem.help(format!("for example: {example}")));
}

fn damage(reader: &Reader<'_, '_>) -> Option<Damage> {
    let said: Vec<&str> = ["flip", "truncate", "garble"].into_iter().filter(|key| reader.has(key)).collect();
    match said.as_slice() {
        [] => {
            missing(reader, "it is not said how the frame is damaged", "flip = [112], or truncate = 60");
            None
        }
        ["flip"] => {
            let bits = reader.integers("flip")?;
            Some(Damage::Flip(bits.into_iter().map(|bit| u32::try_from(bit).unwrap_or(u32::MAX)).collect()))
        }
        ["truncate"] => Some(Damage::Truncate(short(reader.integer("truncate")?.into_inner()))),
        [_] => {
            let garble = reader.table("garble")?;
            let (at, text) = (garble.integer("at"), garble.filled("bytes"));
            let (at, text) = (at?, text?);
            let bytes = hexadecimal(text.as_str());
            if bytes.is_none() {
                let what = "these are not pairs of hexadecimal digits";
                let problem = Problem::new(Code::OutOfRange, text.span(), what, "here");
                reader.sink().push(problem.help("write, for example: bytes = \"5aff00\""));
            }
            Some(Damage::Garble { at: short(at.into_inner()), bytes: bytes? })
        }
        [first, second, ..] => {
            let what = format!("`{first}` and `{second}` exclude each other");
            let span = reader.key_span(second).unwrap_or(reader.span());
            let problem = Problem::new(Code::KeyConflict, span, what, "a second damage");
            reader.sink().push(problem.help("make each a [[packet]] of its own, or leave one out"));
            None
        }
    }
}

/// The language bounds these far below.
fn short(number: i64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

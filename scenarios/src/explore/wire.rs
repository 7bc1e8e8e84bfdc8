//! What the supervisor and its workers say to each other: a JSON object a line.
//!
//! Node code may print to the worker's standard output, so each of the worker's lines begins with a byte that text does
//! not have, RFC 7464's record separator; what stands before it is not ours.

use std::io::{self, BufRead, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Limits, Outcome};

/// What begins each of the worker's lines.
const SEPARATOR: char = '\u{1e}';

/// The first thing that a worker is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The scenario file's name, for messages.
    pub name: String,
    /// The scenario.
    pub text: String,
    /// What each run may take.
    pub limits: Limits,
}

/// What a worker is asked for, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// It has understood its task.
    Ready,
    /// It has not, and why.
    Refused(String),
    /// What a seed came to; in the order of the batch.
    Outcome(Outcome),
}

/// Says something to a worker.
///
/// # Errors
///
/// If the worker is gone.
pub fn tell(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(what)?;
    line.push('\n');
    to.write_all(line.as_bytes())?;
    to.flush()
}

/// What the supervisor says next; `None` if it is done or gone.
///
/// # Errors
///
/// If that is no such object.
pub fn told<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&line)?))
}

/// Says something to the supervisor.
///
/// # Errors
///
/// If the supervisor is gone.
pub fn say(to: &mut impl Write, word: &Word) -> io::Result<()> {
    let line = format!("{SEPARATOR}{}\n", serde_json::to_string(word)?);
    to.write_all(line.as_bytes())?;
    to.flush()
}

/// What a worker says next; `None` if it is gone. A last line that was cut off with the worker's life is nothing.
///
/// # Errors
///
/// If reading fails.
pub fn hear(from: &mut impl BufRead) -> io::Result<Option<Word>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let word = text.rsplit_once(SEPARATOR).and_then(|(_, object)| serde_json::from_str(object).ok());
        if word.is_some() {
            return Ok(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_through_a_nodes_chatter() {
        let mut out = b"hello from a node\nno newline".to_vec();
        say(&mut out, &Word::Ready).unwrap();
        let outcome =
            Outcome { seed: 7, fingerprint: "ab".into(), events: 1, virtual_ns: 2, failure: None, unseen: vec![3] };
        say(&mut out, &Word::Outcome(outcome.clone())).unwrap();
        out.extend(b"\x1e{\"outcome\":{\"seed\"");
        let mut from = &out[..];
        assert_eq!(hear(&mut from).unwrap(), Some(Word::Ready));
        assert_eq!(hear(&mut from).unwrap(), Some(Word::Outcome(outcome)));
        assert_eq!(hear(&mut from).unwrap(), None, "cut off");
    }

    #[test]
    fn what_is_told_is_read() {
        let batch = Batch { first: u64::MAX, count: 3 };
        let mut line = Vec::new();
        tell(&mut line, &batch).unwrap();
        let mut from = &line[..];
        assert_eq!(told(&mut from).unwrap(), Some(batch));
        assert_eq!(told::<Batch>(&mut from).unwrap(), None);
    }
}

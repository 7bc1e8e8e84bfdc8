//! What entered a run from outside, and when: written down so that the run can be had again without whoever it was.

use std::fmt;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::outside::Target;

/// Something that happens to a connection from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Which connection, counted from 1 in the order that they were accepted.
    pub connection: u64,
    /// What.
    pub what: What,
}

/// What happens to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is opened, to the target of this number.
    Opens(usize),
    /// These bytes come.
    Bytes(Vec<u8>),
    /// No more come.
    Ends,
}

/// As the trace names it.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outside connection {} ", self.connection)?;
        match &self.what {
            What::Opens(forward) => write!(f, "opens to target {forward}"),
            What::Bytes(bytes) => write!(f, "sends {} bytes", bytes.len()),
            What::Ends => f.write_str("ends"),
        }
    }
}

/// An input and its virtual time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since the start.
    pub at_ns: u64,
    /// What entered.
    pub input: Input,
}

/// All that entered a run. Written as JSON, an object a line: what the run was, each input, and when the run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// What the run drew from.
    pub seed: u64,
    /// Where what entered went.
    pub targets: Vec<Target>,
    /// In the order that they entered.
    pub entries: Vec<Entry>,
    /// When the run ended.
    pub end_ns: u64,
}

/// Why a file of inputs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputsError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// A line is none of such a file.
    #[error("line {line}: {what}")]
    Line {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The last line is missing.
    #[error("it breaks off: the line that says when the run ended is missing")]
    BreaksOff,
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Start {
        wavetank_inputs: u32,
        seed: u64,
        targets: Vec<String>,
    },
    Opens {
        at_ns: u64,
        connection: u64,
        opens: usize,
    },
    /// Two hex digits a byte.
    Bytes {
        at_ns: u64,
        connection: u64,
        bytes: String,
    },
    Ends {
        at_ns: u64,
        connection: u64,
        ends: bool,
    },
    End {
        end_ns: u64,
    },
}

impl Inputs {
    /// Writes them down.
    ///
    /// # Errors
    /// If the output fails.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let targets = self.targets.iter().map(Target::to_string).collect();
        let start = Line::Start { wavetank_inputs: VERSION, seed: self.seed, targets };
        let entries = self.entries.iter().map(|Entry { at_ns, input: Input { connection, what } }| {
            let (at_ns, connection) = (*at_ns, *connection);
            match what {
                What::Opens(forward) => Line::Opens { at_ns, connection, opens: *forward },
                What::Bytes(bytes) => Line::Bytes { at_ns, connection, bytes: hex(bytes) },
                What::Ends => Line::Ends { at_ns, connection, ends: true },
            }
        });
        for line in std::iter::once(start).chain(entries).chain([Line::End { end_ns: self.end_ns }]) {
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Reads what [`Inputs::write`] wrote.
    ///
    /// # Errors
    /// If it is something else, or breaks off.
    pub fn read(from: impl BufRead) -> Result<Self, InputsError> {
        let mut inputs = Self { seed: 0, targets: Vec::new(), entries: Vec::new(), end_ns: 0 };
        for (index, text) in from.lines().enumerate() {
            let wrong = |what: String| InputsError::Line { line: index + 1, what };
            let line: Line = serde_json::from_str(&text?)
                .map_err(|_| wrong("this is no line of a file that `--record-inputs` wrote".into()))?;
            if (index == 0) != matches!(line, Line::Start { .. }) {
                return Err(wrong("the file begins with what the run was, and says it once".into()));
            }
            let (at_ns, connection, what) = match line {
                Line::Start { wavetank_inputs, seed, targets } => {
                    if wavetank_inputs != VERSION {
                        return Err(wrong(format!("version {wavetank_inputs} is not {VERSION}, which is read here")));
                    }
                    inputs.seed = seed;
                    inputs.targets =
                        targets.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(wrong)?;
                    continue;
                }
                Line::Opens { at_ns, connection, opens } => {
                    if opens >= inputs.targets.len() {
                        return Err(wrong(format!("there is no target {opens}")));
                    }
                    (at_ns, connection, What::Opens(opens))
                }
                Line::Bytes { at_ns, connection, bytes } => {
                    let bytes = unhex(&bytes).ok_or_else(|| wrong("bytes are two hex digits each".into()))?;
                    (at_ns, connection, What::Bytes(bytes))
                }
                Line::Ends { at_ns, connection, .. } => (at_ns, connection, What::Ends),
                Line::End { end_ns } => {
                    inputs.end_ns = end_ns;
                    return Ok(inputs);
                }
            };
            if inputs.entries.last().is_some_and(|last| last.at_ns > at_ns) {
                return Err(wrong("it is earlier than the line before".into()));
            }
            inputs.entries.push(Entry { at_ns, input: Input { connection, what } });
        }
        Err(InputsError::BreaksOff)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let at = |at_ns, connection, what| Entry { at_ns, input: Input { connection, what } };
        let inputs = Inputs {
            seed: u64::MAX,
            targets: vec!["hub:80".parse().unwrap()],
            entries: vec![at(5, 1, What::Opens(0)), at(5, 1, What::Bytes(vec![0, 255, 16])), at(9, 1, What::Ends)],
            end_ns: 10,
        };
        let mut text = Vec::new();
        inputs.write(&mut text).unwrap();
        assert_eq!(Inputs::read(&text[..]).unwrap(), inputs);
        let text = String::from_utf8(text).unwrap();
        let refused = |text: &str| Inputs::read(text.as_bytes()).unwrap_err().to_string();
        assert!(refused(&text.replace("{\"end_ns\":10}\n", "")).contains("breaks off"));
        assert!(refused(&text.replace("00ff10", "00ff1")).starts_with("line 3: bytes are two hex digits"));
        assert!(refused(&text.replace("\"at_ns\":9", "\"at_ns\":4")).starts_with("line 4: it is earlier"));
        assert!(refused(&text.replace("\"opens\":0", "\"opens\":1")).starts_with("line 2: there is no target 1"));
        assert!(refused("{}").starts_with("line 1: this is no line"));
        assert!(refused("{\"end_ns\":1}").starts_with("line 1: the file begins"));
    }
}

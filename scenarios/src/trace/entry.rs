//! One event with names instead of ids, as a trace file has it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wavetank_sim::time::Instant;

/// One event of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, counted from 0.
    pub index: u64,
    /// When it happened, in nanoseconds of virtual time.
    pub ns: u64,
    /// Its kind, such as `frame-sent`.
    pub event: String,
    /// The node that it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The one-way link that it happened on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What else it says.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

impl Entry {
    /// Of a line of a trace file.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Instant {
        Instant::from_nanos(self.ns)
    }

    /// A text among what it says.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.rest.get(key).and_then(Value::as_str)
    }

    /// A number among what it says.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        self.rest.get(key).and_then(Value::as_u64)
    }

    /// Where it happened: a node, a link, or a fault's target.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        let target = || self.text("fault").and_then(|fault| fault.split_once(' ')).map(|(_, target)| target);
        self.node.as_deref().or(self.link.as_deref()).or_else(target)
    }

    /// What happened, without when and where.
    #[must_use]
    pub fn what(&self) -> String {
        let ordinal = || self.number("ordinal").unwrap_or_default();
        let text = |key| self.text(key).unwrap_or("?");
        match self.event.as_str() {
            "boot" => format!("boots ({})", text("cause")),
            "exit" => format!("ends: {}", plain(self.rest.get("exit"))),
            "power-cut" => "loses its power".to_owned(),
            "crash" => "crashes".to_owned(),
            "watchdog" => "is reset by its watchdog".to_owned(),
            "panic" => format!("panics: {}", text("message")),
            "refusal" => format!("asks for {}, which cannot be had", text("what")),
            "frame-sent" => format!("frame {} sent, {} bytes", ordinal(), self.number("bytes").unwrap_or_default()),
            "frame-delivered" => format!("frame {} delivered", ordinal()),
            "frame-dropped" => format!("frame {} LOST: {}", ordinal(), text("reason")),
            "frame-duplicated" => format!("frame {} DOUBLED", ordinal()),
            "frame-damaged" => format!("frame {} DAMAGED", ordinal()),
            "frame-marked" => format!("frame {} marked: congestion", ordinal()),
            "fault-began" => format!("FAULT begins: {}", text("fault")),
            "fault-ended" => format!("fault ends: {}", text("fault")),
            "fault-felt" => {
                format!("fault felt: {}, {}", text("fault"), self.number("what").unwrap_or_default())
            }
            "flow" => {
                format!("{} ({} {})", text("kind"), text("source"), self.number("sequence").unwrap_or_default())
            }
            "called" => format!("calls {}, {}", text("history"), text("what")),
            "answered" => format!("is told by {}: {}", text("history"), text("what")),
            "verdict" => {
                let verdict = text("verdict");
                let verdict = if verdict == "broken" { "BROKEN" } else { verdict };
                format!("{verdict}: {}", text("expectation"))
            }
            "input" => format!("from outside: {}", text("what")),
            other => {
                let rest: Vec<String> =
                    self.rest.iter().map(|(key, value)| format!("{key} {}", plain(Some(value)))).collect();
                format!("{other} {}", rest.join(", ")).trim_end().to_owned()
            }
        }
    }
}

fn plain(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "?".to_owned(),
    }
}

impl fmt::Display for Entry {
    /// A line: number, time in seconds, place, what happened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, ns) = (self.ns / 1_000_000_000, self.ns % 1_000_000_000);
        write!(f, "{:>7} {s:>6}.{ns:09}  {:<22} {}", self.index, self.place().unwrap_or(""), self.what())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_sentences() {
        let said = |line: &str| Entry::parse(line).unwrap().to_string();
        assert_eq!(
            said(
                r#"{"index":12,"ns":1500000001,"event":"frame-sent","link":"lan/hub/tx","ordinal":3,"bytes":66,"digest":"00"}"#
            ),
            "     12      1.500000001  lan/hub/tx             frame 3 sent, 66 bytes"
        );
        assert_eq!(
            said(r#"{"index":9,"ns":0,"event":"fault-began","fault":"cut-link lan/hub"}"#),
            "      9      0.000000000  lan/hub                FAULT begins: cut-link lan/hub"
        );
        assert!(
            said(r#"{"index":9,"ns":0,"event":"tide","height":3,"name":"spring"}"#)
                .ends_with("tide height 3, name spring")
        );
        assert!(
            said(r#"{"index":1,"ns":0,"event":"verdict","expectation":"all is well","verdict":"broken"}"#)
                .ends_with(" BROKEN: all is well")
        );
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert!(Entry::parse("{}").is_err() && Entry::parse("tide").is_err());
    }
}

//! REDbot, which reads responses as a cache, a proxy and a browser would.

use serde_json::Value;

use super::{Case, Ground};
use crate::{Outcome, shell};

const PATHS: [&str; 5] = ["/", "/text", "/files/bytes.bin", "/stream", "/events"];

/// A case a page, and wrong is every note that is not praise.
pub(super) fn run(ground: &Ground) -> Outcome<Vec<Case>> {
    let mut cases = Vec::new();
    for path in PATHS {
        let text = shell::read(ground.program("redbot").args(["-o", "har"]).arg(ground.url(path)))?;
        let archive: Value = serde_json::from_str(&text)?;
        let entries = archive["log"]["entries"].as_array().filter(|entries| !entries.is_empty());
        let notes = entries.ok_or_else(|| format!("{path}: no response"))?.iter().flat_map(|entry| {
            let messages = entry["_red_messages"].as_array().cloned().unwrap_or_default();
            messages.into_iter().flat_map(|message| {
                let below = message["subnotes"].as_array().cloned().unwrap_or_default();
                below.into_iter().chain([message])
            })
        });
        cases.push(Case::new(path, None));
        for note in notes {
            let text = |key: &str| note[key].as_str().unwrap_or_default().to_owned();
            if matches!(text("level").as_str(), "BAD" | "WARN") {
                cases.push(Case::new(format!("{path} {}", text("note_id")), Some(text("summary"))));
            }
        }
    }
    Ok(cases)
}

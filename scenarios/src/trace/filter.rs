//! Which events are shown.

use std::collections::VecDeque;

use fast_glob::glob_match;

use super::Entry;

/// What an event must be like. What is not asked for is not looked at.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A glob of a node's name: what happens to it, on its links, and faults that aim at it.
    pub node: Option<String>,
    /// A glob of an event's kind or a flow's; `frame` means all kinds that begin with `frame-`.
    pub kind: Option<String>,
    /// A part of the event's line, in whatever case.
    pub grep: Option<String>,
}

impl Filter {
    /// Whether the event is shown.
    #[must_use]
    pub fn passes(&self, entry: &Entry) -> bool {
        self.node.as_deref().is_none_or(|glob| is_at(glob, entry))
            && self.kind.as_deref().is_none_or(|glob| is_of_kind(glob, entry))
            && self.grep.as_deref().is_none_or(|text| entry.to_string().to_lowercase().contains(&text.to_lowercase()))
    }
}

fn is_at(glob: &str, entry: &Entry) -> bool {
    let place = entry.place().unwrap_or_default();
    glob_match(glob, place)
        || place.split('/').any(|part| glob_match(glob, part))
        || entry.text("source").is_some_and(|source| glob_match(glob, source))
}

fn is_of_kind(glob: &str, entry: &Entry) -> bool {
    let is_family = entry.event.strip_prefix(glob).is_some_and(|rest| rest.starts_with('-'));
    is_family || glob_match(glob, &entry.event) || entry.text("kind").is_some_and(|kind| glob_match(glob, kind))
}

/// So many events on both sides of one.
#[derive(Debug)]
pub struct Window {
    around: u64,
    context: usize,
    before: VecDeque<Entry>,
    after: usize,
}

impl Window {
    /// `context` events before and after the event with the number `around`.
    #[must_use]
    pub fn new(around: u64, context: usize) -> Self {
        Self { around, context, before: VecDeque::new(), after: context }
    }

    /// Takes the next event, and gives those that are in the window by now. They need not all pass a filter before: the
    /// event itself is wherever its number would be.
    pub fn take(&mut self, entry: Entry) -> Vec<Entry> {
        if entry.index < self.around {
            if self.before.len() == self.context {
                self.before.pop_front();
            }
            if self.context > 0 {
                self.before.push_back(entry);
            }
            return Vec::new();
        }
        let mut shown: Vec<Entry> = self.before.drain(..).collect();
        if entry.index == self.around {
            shown.push(entry);
        } else if self.after > 0 {
            self.after -= 1;
            shown.push(entry);
        }
        shown
    }

    /// Whether nothing later can be in it.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.after == 0
    }

    /// What has been kept back, if the trace has ended before the event.
    pub fn rest(&mut self) -> Vec<Entry> {
        self.before.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> Entry {
        Entry::parse(line).unwrap()
    }

    fn passes(node: &str, kind: &str, grep: &str, entry: &Entry) -> bool {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Filter { node: some(node), kind: some(kind), grep: some(grep) }.passes(entry)
    }

    #[test]
    fn events_are_found_by_place_kind_and_text() {
        let lost =
            entry(r#"{"index":1,"ns":0,"event":"frame-dropped","link":"lan/lamp-2/tx","ordinal":3,"reason":"loss"}"#);
        assert!(passes("lamp-*", "", "", &lost) && !passes("hub", "", "", &lost));
        assert!(
            passes("", "frame", "", &lost)
                && passes("", "frame-dropped", "", &lost)
                && passes("", "*dropped", "", &lost)
        );
        assert!(!passes("", "fra", "", &lost) && !passes("", "boot", "", &lost));
        assert!(passes("", "", "lost: LOSS", &lost) && !passes("lamp-2", "", "sent", &lost));
        let flow = entry(
            r#"{"index":1,"ns":0,"event":"flow","node":"hub","kind":"reading.stored","source":"lamp-2","sequence":3}"#,
        );
        assert!(passes("lamp-2", "reading.*", "", &flow) && passes("hub", "flow", "", &flow));
        let fault = entry(r#"{"index":1,"ns":0,"event":"fault-began","fault":"power-cut lamp-2"}"#);
        assert!(passes("lamp-2", "fault", "", &fault));
    }

    #[test]
    fn a_window_has_both_sides() {
        let events = (0..10).map(|index| entry(&format!(r#"{{"index":{index},"ns":0,"event":"boot"}}"#)));
        let mut window = Window::new(5, 2);
        let shown: Vec<u64> = events.flat_map(|entry| window.take(entry)).map(|entry| entry.index).collect();
        assert_eq!(shown, [3, 4, 5, 6, 7]);
        assert!(window.is_past());
    }
}

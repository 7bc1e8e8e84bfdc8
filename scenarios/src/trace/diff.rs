//! Two traces side by side: where they part, and what led to it.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::{Entry, TraceError};

/// How many events of each place are told before the traces part, and how many of each trace after.
const BEFORE: usize = 5;
const AFTER: usize = 10;

/// Where two traces part.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Parting {
    /// How many events they have in common.
    pub common: u64,
    /// When they part, in nanoseconds of virtual time.
    pub at_ns: u64,
    /// The last events in common, by the nodes and links that the parting is about.
    pub before: BTreeMap<String, Vec<String>>,
    /// What the first trace goes on with; its first line is the first that differs.
    pub here: Vec<String>,
    /// What the second one does.
    pub there: Vec<String>,
}

/// Two traces that are the same to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Same {
    /// How many events they have.
    pub events: u64,
}

/// Compares two traces, reading them only as far as needed.
///
/// # Errors
///
/// If one of them cannot be read.
pub fn compare(
    here: impl IntoIterator<Item = Result<Entry, TraceError>>,
    there: impl IntoIterator<Item = Result<Entry, TraceError>>,
) -> Result<Result<Same, Parting>, TraceError> {
    let (mut here, mut there) = (here.into_iter(), there.into_iter());
    let mut recent: BTreeMap<String, VecDeque<Entry>> = BTreeMap::new();
    let mut common = 0;
    loop {
        match (here.next().transpose()?, there.next().transpose()?) {
            (None, None) => return Ok(Ok(Same { events: common })),
            (Some(a), Some(b)) if a == b => {
                common += 1;
                let place = recent.entry(a.place().unwrap_or_default().to_owned()).or_default();
                if place.len() == BEFORE {
                    place.pop_front();
                }
                place.push_back(a);
            }
            (a, b) => {
                let go_on = |first: Option<Entry>, rest: &mut dyn Iterator<Item = Result<Entry, TraceError>>| {
                    first.into_iter().map(Ok).chain(rest.take(AFTER - 1)).collect::<Result<Vec<_>, _>>()
                };
                return Ok(Err(parting(common, recent, &go_on(a, &mut here)?, &go_on(b, &mut there)?)));
            }
        }
    }
}

fn parting(common: u64, recent: BTreeMap<String, VecDeque<Entry>>, here: &[Entry], there: &[Entry]) -> Parting {
    let firsts = || here.first().into_iter().chain(there.first());
    let nodes: Vec<&str> = firsts().filter_map(Entry::place).flat_map(|place| place.split('/')).collect();
    // What the two first events are about: their own places, and whatever shares a node with them.
    let about = |place: &str| place.split('/').any(|part| !matches!(part, "tx" | "rx") && nodes.contains(&part));
    let lines = |entries: &[Entry]| entries.iter().map(ToString::to_string).collect();
    let before = recent.into_iter().filter(|(place, _)| about(place));
    Parting {
        common,
        at_ns: firsts().map(|entry| entry.ns).min().unwrap_or_default(),
        before: before.map(|(place, entries)| (place, entries.iter().map(ToString::to_string).collect())).collect(),
        here: lines(here),
        there: lines(there),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(nodes: &[&str]) -> Vec<Result<Entry, TraceError>> {
        let line = |(index, node): (usize, &&str)| {
            let ns = index * 1_000;
            format!(r#"{{"index":{index},"ns":{ns},"event":"boot","node":"{node}","cause":"power-on"}}"#)
        };
        nodes.iter().enumerate().map(|entry| Ok(Entry::parse(&line(entry)).unwrap())).collect()
    }

    #[test]
    fn the_same_is_the_same() {
        let same = compare(trace(&["a", "b"]), trace(&["a", "b"])).unwrap();
        assert_eq!(same.unwrap(), Same { events: 2 });
    }

    #[test]
    fn the_parting_is_told_with_what_led_to_it() {
        let parting = compare(trace(&["a", "b", "c", "a", "d"]), trace(&["a", "b", "c", "b"])).unwrap().unwrap_err();
        assert_eq!((parting.common, parting.at_ns), (3, 3_000));
        assert_eq!(parting.before.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((parting.here.len(), parting.there.len()), (2, 1));
    }

    #[test]
    fn an_end_is_a_parting() {
        let parting = compare(trace(&["a"]), trace(&["a", "b"])).unwrap().unwrap_err();
        assert!(parting.here.is_empty() && parting.there.len() == 1);
    }
}

//! `bench`: our works beside other people's programs that do the same, round by round, in `bench/RESULTS.md`.

mod contestants;
mod table;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Outcome;
use crate::shell;
use contestants::Contestant;

/// How many rounds are made; in each, everybody has a turn.
const ROUNDS: usize = 5;
/// By how much of it two programs' amounts of work in equal virtual time may differ. Links of some have less overhead.
const SAME_WORK: f64 = 0.03;

/// `bench/works.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Works {
    work: Vec<Work>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    name: String,
    what: String,
    item: String,
    #[serde(default)]
    peers: Vec<String>,
    /// The work of ours that does the same with nothing around it, or with what anybody would have taken first.
    beside: Option<String>,
    /// Items a second that we aim at, on the machine that `works.toml` names.
    aim: Option<f64>,
    /// By peer: how many times its rate we aim at.
    #[serde(default)]
    times: BTreeMap<String, f64>,
}

/// What a program prints of a round.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Round {
    items: u64,
    virtual_ns: u64,
    cpu_ns: u64,
    wall_ns: u64,
}

impl Round {
    /// Items a second of processor time.
    fn rate(self) -> f64 {
        self.items as f64 * 1e9 / self.cpu_ns as f64
    }

    /// Items a second of virtual time: what the work was.
    fn density(self) -> f64 {
        self.items as f64 * 1e9 / self.virtual_ns as f64
    }
}

/// A work as it was done by all who do it, ours first.
struct Row<'w> {
    work: &'w Work,
    entries: Vec<Entry>,
}

/// The rounds of one program.
struct Entry {
    who: String,
    rounds: Vec<Round>,
}

/// Builds all that is needed for the works named, or for all, measures them in turn, and writes the table.
pub(crate) fn run(names: &[&str]) -> Outcome {
    let path = shell::root().join("bench/works.toml");
    let works: Works = toml::from_str(&std::fs::read_to_string(path)?)?;
    if let Some(stranger) = names.iter().find(|name| works.work.iter().all(|work| work.name != **name)) {
        let known: Vec<_> = works.work.iter().map(|work| work.name.as_str()).collect();
        return Err(format!("no work is called {stranger}; there are {}", known.join(", ")).into());
    }
    let wanted: Vec<&Work> =
        works.work.iter().filter(|work| names.is_empty() || names.contains(&work.name.as_str())).collect();
    let tank = contestants::tank()?;
    let mut peers = BTreeMap::new();
    for name in wanted.iter().flat_map(|work| &work.peers) {
        if !peers.contains_key(name) {
            peers.insert(name.clone(), contestants::peer(name)?);
        }
    }
    let rows = wanted.iter().map(|work| measure(work, &tank, &peers)).collect::<Outcome<Vec<_>>>()?;
    let text = table::render(&rows, &peers);
    println!("\n{text}");
    if names.is_empty() {
        std::fs::write(shell::root().join("bench/RESULTS.md"), text)?;
    }
    Ok(())
}

fn measure<'w>(work: &'w Work, tank: &Contestant, peers: &BTreeMap<String, Contestant>) -> Outcome<Row<'w>> {
    let mut turns = vec![("wavetank", tank, work.name.as_str())];
    turns.extend(work.peers.iter().map(|peer| (peer.as_str(), &peers[peer], work.name.as_str())));
    turns.extend(work.beside.as_deref().map(|beside| (beside, tank, beside)));
    let mut entries: Vec<Entry> =
        turns.iter().map(|(who, ..)| Entry { who: (*who).to_owned(), rounds: Vec::new() }).collect();
    for _ in 0..ROUNDS {
        for (entry, (who, contestant, name)) in entries.iter_mut().zip(&turns) {
            let round = contestant.round(name)?;
            println!("{:14} {who:13} {:>12.0} {}/s", work.name, round.rate(), work.item);
            entry.rounds.push(round);
        }
    }
    same_work(work, &entries)?;
    Ok(Row { work, entries })
}

/// That all did as much as we in a second of virtual time.
fn same_work(work: &Work, entries: &[Entry]) -> Outcome {
    let ours = entries[0].rounds[0].density();
    for entry in entries.iter().filter(|entry| work.peers.contains(&entry.who)) {
        for round in &entry.rounds {
            let theirs = round.density();
            if (theirs - ours).abs() > SAME_WORK * ours {
                let unit = format!("{} a second of virtual time", work.item);
                return Err(format!(
                    "{}: {} did {theirs:.0} {unit} and wavetank {ours:.0}: not the same work",
                    work.name, entry.who
                )
                .into());
            }
        }
    }
    Ok(())
}

//! `wavetank faults`: what can go wrong, and how a scenario says so.

use std::io::Write;

use anstyle::Style;
use wavetank_scenarios::schema::{Listed, Sort, listing};

use crate::arguments::Faults;
use crate::command::Trouble;
use crate::exit::Exit;

const NAME: Style = Style::new().bold();

/// Lists them.
pub(crate) fn run(arguments: &Faults, out: &mut impl Write) -> Result<Exit, Trouble> {
    let all = listing();
    if arguments.json {
        let array = serde_json::to_string_pretty(&all).expect("plain values");
        writeln!(out, "{array}")?;
        return Ok(Exit::Pass);
    }
    for (sort, title) in [
        (Sort::Fault, "faults: entries [[fault]]"),
        (Sort::Impairment, "impairments: keys of a [profile.NAME], or of its `up` and `down`"),
        (Sort::Storm, "storms: entries [[storm]]"),
        (Sort::Medium, "shared media: what a [network.NAME] says of the air"),
    ] {
        writeln!(out, "{title}\n")?;
        for listed in all.iter().filter(|listed| listed.sort == sort) {
            write!(out, "{}", text(listed))?;
        }
    }
    Ok(Exit::Pass)
}

fn text(listed: &Listed) -> String {
    let mut text = format!("{NAME}{}{NAME:#}  {}\n", listed.name, listed.doc);
    let width = listed.parameters.iter().map(|parameter| parameter.key.len()).max().unwrap_or(0);
    for parameter in &listed.parameters {
        let must = if parameter.required { "needed: " } else { "" };
        text.push_str(&format!("    {:width$}  {must}{}: {}\n", parameter.key, parameter.value, parameter.doc));
    }
    for line in listed.example.lines() {
        text.push_str(&format!("      {line}\n"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_listed_with_what_it_can_be_told() {
        let mut out = Vec::new();
        run(&Faults { json: false }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for listed in listing() {
            assert!(text.contains(listed.name) && text.contains(listed.doc), "{}", listed.name);
            assert!(listed.parameters.iter().all(|parameter| text.contains(parameter.doc)), "{}", listed.name);
        }
    }

    #[test]
    fn the_json_array_says_the_same() {
        let mut out = Vec::new();
        run(&Faults { json: true }, &mut out).unwrap();
        let array: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(array.len(), listing().len());
        let clog = array.iter().find(|listed| listed["name"] == "clog").unwrap();
        assert_eq!(clog["sort"], "fault");
        assert!(clog["parameters"].as_array().unwrap().iter().any(|parameter| parameter["key"] == "direction"));
    }
}

//! `wavetank faults`: what can go wrong, and how a scenario says so.

use std::io::Write;

use anstyle::Style;
use wavetank_scenarios::diagnose::did_you_mean;
use wavetank_scenarios::schema::{Listed, Sort, listing};

use crate::arguments::Faults;
use crate::command::Trouble;
use crate::exit::Exit;

const NAME: Style = Style::new().bold();

/// Lists them, or what of them is asked for.
pub(crate) fn run(arguments: &Faults, out: &mut impl Write) -> Result<Exit, Trouble> {
    let mut all = listing();
    if let Some(wrong) = arguments.names.iter().find(|name| all.iter().all(|listed| listed.name != **name)) {
        return Err(unknown(wrong, &all).into());
    }
    all.retain(|listed| arguments.names.is_empty() || arguments.names.iter().any(|name| name == listed.name));
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
        let mut listed = all.iter().filter(|listed| listed.sort == sort).peekable();
        if listed.peek().is_some() {
            writeln!(out, "{title}\n")?;
        }
        for listed in listed {
            write!(out, "{}", text(listed))?;
        }
    }
    Ok(Exit::Pass)
}

fn unknown(name: &str, all: &[Listed]) -> String {
    let meant = did_you_mean(name, all.iter().map(|listed| listed.name));
    let mend = meant
        .map_or_else(|| "`wavetank faults` lists them all".to_owned(), |meant| format!("did you mean \"{meant}\"?"));
    format!("nothing that can go wrong is called \"{name}\": {mend}")
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
        run(&Faults { names: Vec::new(), json: false }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for listed in listing() {
            assert!(text.contains(listed.name) && text.contains(listed.doc), "{}", listed.name);
            assert!(listed.parameters.iter().all(|parameter| text.contains(parameter.doc)), "{}", listed.name);
        }
    }

    #[test]
    fn those_that_are_asked_for_are_shown_alone_and_others_are_said_not_to_be_there() {
        let ask = |names: &[&str]| {
            let mut out = Vec::new();
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let outcome = run(&Faults { names, json: false }, &mut out);
            (outcome, anstream::adapter::strip_bytes(&out).into_vec())
        };
        let (outcome, text) = ask(&["clog", "loss"]);
        assert!(outcome.is_ok());
        let text = String::from_utf8(text).unwrap();
        let titles: Vec<&str> = text.lines().filter(|line| line.starts_with(|char: char| char != ' ')).collect();
        let [faults, clog, impairments, loss] = titles[..] else { panic!("{text}") };
        assert!(faults.starts_with("faults: ") && clog.starts_with("clog  "), "{text}");
        assert!(impairments.starts_with("impairments: ") && loss.starts_with("loss  "), "{text}");
        assert!(ask(&["clog", "clogg"]).0.is_err());
        assert_eq!(
            unknown("clogg", &listing()),
            "nothing that can go wrong is called \"clogg\": did you mean \"clog\"?"
        );
    }

    #[test]
    fn the_json_array_says_the_same() {
        let mut out = Vec::new();
        run(&Faults { names: Vec::new(), json: true }, &mut out).unwrap();
        let array: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(array.len(), listing().len());
        let clog = array.iter().find(|listed| listed["name"] == "clog").unwrap();
        assert_eq!(clog["sort"], "fault");
        assert!(clog["parameters"].as_array().unwrap().iter().any(|parameter| parameter["key"] == "direction"));
    }
}

//! A kind's own configuration: read by serde, yet with all mistakes and their places.

use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use crate::diagnose::{Span, did_you_mean, list};

/// The `config = { … }` of a node, as it stands in the file.
#[derive(Clone, Debug)]
pub struct ConfigText<'i> {
    value: Spanned<DeValue<'i>>,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    place: Place,
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Span(Span),
    Key(&'static str),
}

impl ConfigProblem {
    /// A value that a kind's own check refuses, at a key of the configuration; `sensor.nack` is one of a nested table.
    pub fn at(key: &'static str, what: impl Into<String>) -> Self {
        Self { place: Place::Key(key), what: what.into(), help: None }
    }

    /// How to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn spanned(span: Span, what: String, help: Option<String>) -> Self {
        let place = Place::Span(span);
        Self { place, what, help }
    }
}

impl<'i> ConfigText<'i> {
    pub(super) fn new(value: Spanned<DeValue<'i>>) -> Self {
        Self { value }
    }

    /// Nothing is said; `span` is where to complain that something should be.
    pub(super) fn nothing(span: Span) -> Self {
        Self::new(Spanned::new(span, DeValue::Table(DeTable::new())))
    }

    /// Reads it as `C`, whose JSON Schema is given.
    ///
    /// # Errors
    /// With all unknown and missing keys, and the mistake in every value, in nested tables too.
    pub fn read<C: DeserializeOwned>(&self, schema: &schemars::Schema) -> Result<C, Vec<ConfigProblem>> {
        let DeValue::Table(table) = self.value.get_ref() else {
            let what = "`config` is a table".to_owned();
            let help = Some("for example: config = { period = \"1s\" }".to_owned());
            return Err(vec![ConfigProblem::spanned(self.value.span(), what, help)]);
        };
        let mut table = table.clone();
        let mut told = Told::default();
        told.compare_keys(&mut table, schema.as_value(), &[], &self.value.span());
        // Serde tells one mistake at a time: note it, take the value out, and try again.
        loop {
            let value = Spanned::new(self.value.span(), DeValue::Table(table.clone()));
            let error = match C::deserialize(ValueDeserializer::from(value)) {
                Ok(config) if told.problems.is_empty() => return Ok(config),
                Ok(_) => return Err(told.problems),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(self.value.span());
            let mut path = Vec::new();
            let whole = span == self.value.span();
            let Some(culprit) = (!whole).then(|| take_out(&mut table, &span, &mut path)).flatten() else {
                // Either a key is missing, which has been told, or was taken out, which has been
                // told, or the whole of it is wrong.
                if told.problems.is_empty() {
                    told.problems.push(ConfigProblem::spanned(span, error.message().to_owned(), None));
                }
                return Err(told.problems);
            };
            // A nested table that lacks what has been told is wrong as a whole only because of that.
            if !told.incomplete.contains(&culprit.span) {
                let what = format!("`{}`: {}", path.join("."), in_words(error.message()));
                told.problems.push(ConfigProblem::spanned(span, what, remedy(schema.as_value(), &path)));
            }
            told.incomplete.extend(culprit.tables);
        }
    }

    /// Where in the file a problem is.
    #[must_use]
    pub fn place(&self, problem: &ConfigProblem) -> Span {
        match (&problem.place, self.value.get_ref()) {
            (Place::Span(span), _) => span.clone(),
            (Place::Key(key), _) => {
                let mut value = &self.value;
                for name in key.split('.') {
                    let DeValue::Table(table) = value.get_ref() else { break };
                    let Some(found) = table.get(name) else { break };
                    value = found;
                }
                value.span()
            }
        }
    }
}

/// What has been said of a configuration so far.
#[derive(Default)]
struct Told {
    problems: Vec<ConfigProblem>,
    /// Nested tables that lack something which has been told.
    incomplete: Vec<Span>,
}

impl Told {
    /// Notes unknown and missing keys as far as the schema knows, and takes the unknown ones out. `path` leads to the
    /// table, and `span` is where it stands.
    fn compare_keys(&mut self, table: &mut DeTable<'_>, schema: &Value, path: &[&str], span: &Span) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        let whose = if path.is_empty() { "`config`".to_owned() } else { format!("`{}`", path.join(".")) };
        let known = || properties.keys().map(String::as_str);
        if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
            let unknown = |key: &&Spanned<DeString<'_>>| !properties.contains_key(&**key.get_ref());
            let unknown: Vec<_> = table.keys().filter(unknown).cloned().collect();
            for key in unknown {
                let name: &str = key.get_ref();
                let of = if path.is_empty() { " of this kind" } else { "" };
                let what = format!("{whose}{of} has no key `{name}`");
                let help = match did_you_mean(name, known()) {
                    Some(meant) => format!("did you mean `{meant}`? Keys are {}", list(known())),
                    None => format!("keys are {}", list(known())),
                };
                self.problems.push(ConfigProblem::spanned(key.span(), what, Some(help)));
                table.remove(&key);
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(name) {
                let what = format!("{whose} lacks `{name}`");
                let help = properties.get(name).and_then(description);
                self.problems.push(ConfigProblem::spanned(span.clone(), what, help));
                self.incomplete.push(span.clone());
            }
        }
        for (key, value) in table.iter_mut() {
            let name: &str = key.get_ref();
            let span = value.span();
            if let (DeValue::Table(nested), Some(schema)) = (value.get_mut(), properties.get(name)) {
                self.compare_keys(nested, schema, &[path, &[name]].concat(), &span);
            }
        }
    }
}

/// A value that was taken out, and the nested tables that it is missing from now.
struct TakenOut {
    span: Span,
    tables: Vec<Span>,
}

/// Takes out the innermost value that `error` lies in, and notes the keys that lead to it.
fn take_out(table: &mut DeTable<'_>, error: &Span, path: &mut Vec<String>) -> Option<TakenOut> {
    let key = table.iter().find(|(key, value)| covers(key, value, error.start))?.0.clone();
    path.push(key.get_ref().to_string());
    let value = table.get_mut(&key)?;
    let span = value.span();
    if let DeValue::Table(nested) = value.get_mut()
        && span != *error
        && let Some(mut taken) = take_out(nested, error, path)
    {
        taken.tables.push(span);
        return Some(taken);
    }
    table.remove(&key);
    Some(TakenOut { span, tables: Vec::new() })
}

/// Whether a place is within a key, its value, or what a table under a heading of its own holds.
fn covers(key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>, at: usize) -> bool {
    let (begin, end) = (key.span().start, value.span().end.max(key.span().end));
    (begin..end).contains(&at)
        || matches!(value.get_ref(), DeValue::Table(table) if table.iter().any(|(key, value)| covers(key, value, at)))
}

/// What the schema says of the value that a path leads to, and what it is if it is left out.
fn remedy(schema: &Value, path: &[String]) -> Option<String> {
    let property = path.iter().try_fold(schema, |schema, name| schema.get("properties")?.get(name))?;
    let doc = description(property)?;
    Some(match property.get("default") {
        Some(default) if !default.is_object() => format!("{doc} Without it, it is {default}."),
        _ => doc,
    })
}

/// Serde's message without Rust's names of types.
fn in_words(message: &str) -> String {
    let Some((said, name)) = message.rsplit_once("expected ") else { return message.to_owned() };
    let integer = |min: i64, max: i64| format!("a whole number from {min} to {max}");
    let words = match name {
        "u8" => integer(0, u8::MAX.into()),
        "u16" => integer(0, u16::MAX.into()),
        "u32" => integer(0, u32::MAX.into()),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" => integer(i8::MIN.into(), i8::MAX.into()),
        "i16" => integer(i16::MIN.into(), i16::MAX.into()),
        "i32" => integer(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => "a whole number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        _ => return message.to_owned(),
    };
    format!("{said}expected {words}")
}

fn description(property: &Value) -> Option<String> {
    let doc = property.get("description")?.as_str()?;
    Some(doc.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Pump {
        /// Litres a minute.
        rate: u8,
        motor: Motor,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Motor {
        /// Turns a minute.
        speed: u16,
        /// Which way it turns.
        #[serde(default)]
        reverse: bool,
    }

    /// Every problem: the text at its place, what, and the help.
    fn problems(text: &str) -> Vec<(String, String, Option<String>)> {
        let generator = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = generator.into_generator().into_root_schema_for::<Pump>();
        let mut table = DeTable::parse(text).unwrap().into_inner();
        let config = ConfigText::new(table.remove("config").unwrap());
        let problems = config.read::<Pump>(&schema).unwrap_err();
        problems
            .into_iter()
            .map(|problem| (text[config.place(&problem)].to_owned(), problem.what, problem.help))
            .collect()
    }

    fn told<'a>(place: &'a str, what: &'a str, help: &'a str) -> (String, String, Option<String>) {
        (place.to_owned(), what.to_owned(), (!help.is_empty()).then(|| help.to_owned()))
    }

    #[test]
    fn every_mistake_in_a_nested_table_is_told_at_its_place() {
        let inline = problems("config = { rate = 300, motor = { speed = -1, reverse = 3, sped = 1 } }");
        let helped = "did you mean `speed`? Keys are `reverse` and `speed`";
        assert_eq!(inline.len(), 4, "{inline:?}");
        assert_eq!(inline[0], told("sped", "`motor` has no key `sped`", helped));
        let rest: Vec<&str> = inline[1..].iter().map(|(place, ..)| place.as_str()).collect();
        assert_eq!(rest, ["300", "-1", "3"]);
        assert_eq!(inline[3].1, "`motor.reverse`: invalid type: integer `3`, expected true or false");
        assert_eq!(inline[3].2.as_deref(), Some("Which way it turns. Without it, it is false."));
        assert_eq!(inline[2].2.as_deref(), Some("Turns a minute."));
        // Under a heading of its own it is the same.
        let headed = problems("[config]\nrate = 300\n[config.motor]\nspeed = -1\nreverse = 3\nsped = 1\n");
        assert_eq!(headed, inline);
    }

    #[test]
    fn what_a_nested_table_lacks_is_told_once() {
        let inline = problems("config = { motor = { reverse = 3 } }");
        let [rate, speed, reverse] = &inline[..] else { panic!("{inline:?}") };
        assert_eq!(*rate, told("{ motor = { reverse = 3 } }", "`config` lacks `rate`", "Litres a minute."));
        assert_eq!(*speed, told("{ reverse = 3 }", "`motor` lacks `speed`", "Turns a minute."));
        assert_eq!(reverse.0, "3");
        let headed = problems("[config]\n[config.motor]\nreverse = 3\n");
        assert_eq!(headed.iter().map(|problem| &problem.1).collect::<Vec<_>>(), [&rate.1, &speed.1, &reverse.1]);
    }

    #[test]
    fn a_check_can_name_a_nested_key() {
        let text = "config = { rate = 3, motor = { speed = 7 } }";
        let config = ConfigText::new(DeTable::parse(text).unwrap().into_inner().remove("config").unwrap());
        let place = |key| &text[config.place(&ConfigProblem::at(key, "refused"))];
        assert_eq!([place("motor.speed"), place("motor.none"), place("rate")], ["7", "{ speed = 7 }", "3"]);
    }
}

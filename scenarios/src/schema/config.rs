//! A kind's own configuration: read by serde, yet with all mistakes and their places.

use serde::de::DeserializeOwned;
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
    /// A value that a kind's own check refuses, at a key of the configuration.
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
    /// With all unknown and missing keys, and the first mistake in every value.
    pub fn read<C: DeserializeOwned>(&self, schema: &schemars::Schema) -> Result<C, Vec<ConfigProblem>> {
        let DeValue::Table(table) = self.value.get_ref() else {
            let what = "`config` is a table".to_owned();
            let help = Some("for example: config = { period = \"1s\" }".to_owned());
            return Err(vec![ConfigProblem::spanned(self.value.span(), what, help)]);
        };
        let mut table = table.clone();
        let mut problems = self.compare_keys(&mut table, schema);
        // Serde tells one mistake at a time: note it, take the value out, and try again.
        loop {
            let value = Spanned::new(self.value.span(), DeValue::Table(table.clone()));
            let error = match C::deserialize(ValueDeserializer::from(value)) {
                Ok(config) if problems.is_empty() => return Ok(config),
                Ok(_) => return Err(problems),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(self.value.span());
            let culprit = table.iter().find(|(key, value)| {
                let (key, value) = (key.span(), value.span());
                (key.start..value.end.max(key.end)).contains(&span.start) && span != self.value.span()
            });
            let Some(key) = culprit.map(|(key, _)| key.clone()) else {
                // Either a key is missing, which has been told, or was taken out, which has been
                // told, or the whole of it is wrong.
                if problems.is_empty() {
                    let what = error.message().to_owned();
                    problems.push(ConfigProblem::spanned(span, what, None));
                }
                return Err(problems);
            };
            let what = format!("`{}`: {}", key.get_ref(), error.message());
            problems.push(ConfigProblem::spanned(span, what, None));
            table.remove(&key);
        }
    }

    /// Notes unknown and missing keys as far as the schema knows, and takes the unknown ones out.
    fn compare_keys(&self, table: &mut DeTable<'i>, schema: &schemars::Schema) -> Vec<ConfigProblem> {
        let Some(properties) = schema.get("properties").and_then(|found| found.as_object()) else {
            return Vec::new();
        };
        let mut problems = Vec::new();
        let known = || properties.keys().map(String::as_str);
        if schema.get("additionalProperties") == Some(&serde_json::Value::Bool(false)) {
            let unknown = |key: &&Spanned<DeString<'i>>| !properties.contains_key(&**key.get_ref());
            let unknown: Vec<_> = table.keys().filter(unknown).cloned().collect();
            for key in unknown {
                let name: &str = key.get_ref();
                let what = format!("`config` of this kind has no key `{name}`");
                let help = match did_you_mean(name, known()) {
                    Some(meant) => format!("did you mean `{meant}`? Keys are {}", list(known())),
                    None => format!("keys are {}", list(known())),
                };
                problems.push(ConfigProblem::spanned(key.span(), what, Some(help)));
                table.remove(&key);
            }
        }
        let required = schema.get("required").and_then(|found| found.as_array());
        for name in required.into_iter().flatten().filter_map(|name| name.as_str()) {
            if table.iter().all(|(key, _)| *key.get_ref() != name) {
                let what = format!("`config` lacks `{name}`");
                let doc = properties[name].get("description").and_then(|doc| doc.as_str());
                let help = doc.map(ToOwned::to_owned);
                problems.push(ConfigProblem::spanned(self.value.span(), what, help));
            }
        }
        problems
    }

    /// Where in the file a problem is.
    #[must_use]
    pub fn place(&self, problem: &ConfigProblem) -> Span {
        match (&problem.place, self.value.get_ref()) {
            (Place::Span(span), _) => span.clone(),
            (Place::Key(key), DeValue::Table(table)) => {
                let found = table.iter().find(|(name, _)| *name.get_ref() == *key);
                found.map_or(self.value.span(), |(_, value)| value.span())
            }
            _ => self.value.span(),
        }
    }
}

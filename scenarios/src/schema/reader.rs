//! Reads one table of the language key by key, and notes every mistake on the way.

use std::net::IpAddr;

use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::address::Cidr;
use super::battery::VoltageByCharge;
use super::language::{Field, SCENARIO, Shape, Table};
use super::scenario::Moment;
use super::text::Text;
use crate::diagnose::{Code, Problem, Sink, Span, did_you_mean, list};
use crate::units::{
    Charge, Current, Drift, Malformed, Probability, Rate, Resistance, SignedSize, SignedTime, Size, Time, Voltage,
    micro,
};

/// What all readers of one file share.
pub(super) struct File<'i> {
    pub(super) source: &'i str,
    pub(super) sink: Sink,
}

/// A table under reading. Unknown and missing keys are noted when it is opened.
pub(super) struct Reader<'r, 'i> {
    file: &'r File<'i>,
    table: &'static Table,
    items: &'r DeTable<'i>,
    span: Span,
    /// Keys that a misspelt one stands for, so that they are not told to be missing as well.
    meant: Vec<&'static str>,
}

/// A value with the key it stands at.
type Entry<'r, 'i> = (&'static Field, &'r Spanned<DeValue<'i>>);

impl<'r, 'i> Reader<'r, 'i> {
    /// Opens `items` as `table`. `place` names it in messages, and `span` is where to say that
    /// something is missing.
    pub(super) fn open(
        file: &'r File<'i>,
        table: &'static Table,
        items: &'r DeTable<'i>,
        span: &Span,
        place: &str,
    ) -> Self {
        let mut meant = Vec::new();
        for (key, _) in items {
            let name: &str = key.get_ref();
            if table.field(name).is_some() {
                continue;
            }
            let what = format!("{place} has no key `{name}`");
            let near = table.fields.iter().find(|field| did_you_mean(name, table.keys()) == Some(field.key));
            let keys = list(table.keys());
            let help = match near {
                Some(near) => format!("did you mean `{}`? Keys are {keys}", near.key),
                None => match elsewhere(name) {
                    Some((key, places)) if key == name => format!("it is a key of {places}; keys here are {keys}"),
                    Some((key, places)) => {
                        format!("did you mean `{key}`? It is a key of {places}; keys here are {keys}")
                    }
                    None => format!("keys are {keys}"),
                },
            };
            meant.extend(near.map(|near| near.key));
            let problem = Problem::new(Code::UnknownKey, key.span(), what, "unknown key");
            file.sink.push(problem.help(help));
        }
        for field in table.fields {
            if field.required && find(items, field.key).is_none() && !meant.contains(&field.key) {
                let what = format!("{place} lacks `{}`", field.key);
                let label = format!("`{}` is missing here", field.key);
                let problem = Problem::new(Code::MissingKey, span.clone(), what, label);
                let help = format!("{} For example: {}", field.doc, field.example);
                file.sink.push(problem.help(help));
            }
        }
        Self { file, table, items, span: span.clone(), meant }
    }

    /// Where to say that something is missing.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn sink(&self) -> &'r Sink {
        &self.file.sink
    }

    /// Whether the key is there, or was meant to be.
    pub(super) fn has(&self, key: &str) -> bool {
        find(self.items, key).is_some() || self.meant.contains(&key)
    }

    /// The place of a key, if it is there.
    pub(super) fn key_span(&self, key: &str) -> Option<Span> {
        let found = self.items.iter().find(|(name, _)| *name.get_ref() == key);
        found.map(|(name, _)| name.span())
    }

    fn entry(&self, key: &str) -> Option<Entry<'r, 'i>> {
        let field = self.table.field(key).expect("the language declares every key that is read");
        Some((field, find(self.items, key)?))
    }

    /// Notes that a value is not what its key takes.
    fn refuse_type<T>(&self, (field, value): Entry<'_, '_>, wanted: &str) -> Option<T> {
        let found = kind_of(value.get_ref());
        let what = format!("`{}` is {wanted}, not {found}", field.key);
        let problem = Problem::new(Code::WrongType, value.span(), what, format!("this is {found}"));
        self.sink().push(problem.help(format!("for example: {}", field.example)));
        None
    }

    fn malformed<T>(&self, (field, value): Entry<'_, '_>, read: Result<T, Malformed>) -> Option<Spanned<T>> {
        match read {
            Ok(read) => Some(Spanned::new(value.span(), read)),
            Err(malformed) => {
                let code = match malformed.out_of_range {
                    true => Code::OutOfRange,
                    false => Code::WrongUnit,
                };
                let what = format!("`{}`: {}", field.key, malformed.what);
                let problem = Problem::new(code, value.span(), what, "here");
                self.sink().push(problem.help(malformed.help));
                None
            }
        }
    }

    /// A string, with the places of its parts.
    pub(super) fn text(&self, key: &str) -> Option<Text> {
        let entry = self.entry(key)?;
        self.text_of(entry)
    }

    fn text_of(&self, entry: Entry<'_, '_>) -> Option<Text> {
        match entry.1.get_ref() {
            DeValue::String(text) => Some(Text::new(text, entry.1.span(), self.file.source)),
            _ => self.refuse_type(entry, "a string"),
        }
    }

    /// A string that is not empty.
    pub(super) fn filled(&self, key: &str) -> Option<Text> {
        let text = self.text(key)?;
        if text.as_str().trim().is_empty() {
            let what = format!("`{key}` is empty");
            self.sink().push(
                Problem::new(Code::OutOfRange, text.span(), what, "nothing here")
                    .help(format!("for example: {}", self.entry(key)?.0.example)),
            );
            return None;
        }
        Some(text)
    }

    /// A quantity from a string; a bare number is told about its missing unit.
    fn quantity<T>(&self, key: &str, wanted: &str, parse: fn(&str) -> Result<T, Malformed>) -> Option<Spanned<T>> {
        self.quantity_of(self.entry(key)?, wanted, parse)
    }

    fn quantity_of<T>(
        &self,
        entry: Entry<'_, '_>,
        wanted: &str,
        parse: fn(&str) -> Result<T, Malformed>,
    ) -> Option<Spanned<T>> {
        match entry.1.get_ref() {
            DeValue::String(text) => self.malformed(entry, parse(text)),
            DeValue::Integer(number) => self.malformed(entry, parse(number.as_str())),
            DeValue::Float(number) => self.malformed(entry, parse(number.as_str())),
            _ => self.refuse_type(entry, wanted),
        }
    }

    pub(super) fn time(&self, key: &str) -> Option<Spanned<Time>> {
        self.quantity(key, "a time with its unit", Time::parse)
    }

    pub(super) fn signed_time(&self, key: &str) -> Option<Spanned<SignedTime>> {
        self.quantity(key, "a time with its unit", SignedTime::parse)
    }

    pub(super) fn rate(&self, key: &str) -> Option<Spanned<Rate>> {
        let rate = self.quantity(key, "a rate with its unit", Rate::parse)?;
        self.nonzero(key, rate.get_ref().as_bits_per_second() == 0, rate.span())?;
        Some(rate)
    }

    pub(super) fn size(&self, key: &str) -> Option<Spanned<Size>> {
        self.quantity(key, "a size with its unit", Size::parse)
    }

    pub(super) fn signed_size(&self, key: &str) -> Option<Spanned<SignedSize>> {
        self.quantity(key, "a size with its unit", SignedSize::parse)
    }

    pub(super) fn charge(&self, key: &str) -> Option<Spanned<Charge>> {
        self.quantity(key, "a charge with its unit", Charge::parse)
    }

    pub(super) fn current(&self, key: &str) -> Option<Spanned<Current>> {
        self.quantity(key, "a current with its unit", Current::parse)
    }

    pub(super) fn voltage(&self, key: &str) -> Option<Spanned<Voltage>> {
        self.quantity(key, "a voltage with its unit", Voltage::parse)
    }

    pub(super) fn resistance(&self, key: &str) -> Option<Spanned<Resistance>> {
        self.quantity(key, "a resistance with its unit", Resistance::parse)
    }

    /// Currents by name.
    pub(super) fn currents(&self, key: &str) -> Vec<(Text, Current)> {
        let Some((field, items)) = self.items_of(key, "a table of currents") else { return Vec::new() };
        let read = items.iter().filter_map(|(name, value)| {
            let current = self.quantity_of((field, value), "a current with its unit", Current::parse)?;
            Some((Text::new(name.get_ref(), name.span(), self.file.source), current.into_inner()))
        });
        read.collect()
    }

    /// Voltages by charge; none if nothing is said.
    pub(super) fn voltages_by_charge(&self, key: &str) -> Result<VoltageByCharge, ()> {
        if !self.has(key) {
            return Ok(Vec::new());
        }
        let (field, items) = self.items_of(key, "a table of voltages").ok_or(())?;
        let read = items.iter().map(|(share, value)| {
            let charge = Probability::parse(share.get_ref()).map(|share_read| Spanned::new(share.span(), share_read));
            let charge = charge.map_err(|malformed| {
                let what = format!("`{key}`: {}", malformed.what);
                let help = format!("a share of the capacity; for example: {}", field.example);
                self.sink().push(Problem::new(Code::WrongUnit, share.span(), what, "here").help(help));
            });
            let voltage = self.quantity_of((field, value), "a voltage with its unit", Voltage::parse).ok_or(());
            Ok((charge?, voltage?))
        });
        // All of them are looked at before it is known whether one is missing.
        let read: Vec<Result<_, ()>> = read.collect();
        read.into_iter().collect()
    }

    /// Times and numbers, in millionths, in pairs.
    pub(super) fn points(&self, key: &str) -> Option<Vec<(Time, i64)>> {
        let (field, value) = self.entry(key)?;
        let items = self.filled_list((field, value), "a list of points")?;
        let read = items.iter().map(|item| {
            let DeValue::Array(pair) = item.get_ref() else {
                return self.refuse_type((field, item), "a list of points");
            };
            let [at, number] = &pair[..] else {
                let what = format!("a point of `{key}` is a time and a number");
                let problem = Problem::new(Code::WrongType, item.span(), what, "this is not two things");
                self.sink().push(problem.help(format!("for example: {}", field.example)));
                return None;
            };
            let time = self.quantity_of((field, at), "a time with its unit", Time::parse);
            let number = self.micro_of((field, number));
            Some((time?.into_inner(), number?))
        });
        // All of them are looked at before it is known whether one is missing.
        let read: Vec<Option<(Time, i64)>> = read.collect();
        read.into_iter().collect()
    }

    /// What a table of values by name holds; one that is empty is noted.
    fn items_of(&self, key: &str, wanted: &str) -> Option<(&'static Field, &'r DeTable<'i>)> {
        let entry = self.entry(key)?;
        let DeValue::Table(items) = entry.1.get_ref() else { return self.refuse_type(entry, wanted) };
        if items.is_empty() {
            let what = format!("`{key}` is empty");
            let problem = Problem::new(Code::OutOfRange, entry.1.span(), what, "nothing in it");
            self.sink().push(problem.help(format!("for example: {}", entry.0.example)));
            return None;
        }
        Some((entry.0, items))
    }

    /// Notes what must not be zero and is.
    pub(super) fn nonzero(&self, key: &str, zero: bool, span: Span) -> Option<()> {
        if !zero {
            return Some(());
        }
        let what = format!("`{key}` cannot be 0");
        let problem = Problem::new(Code::OutOfRange, span, what, "this is 0");
        let example = self.entry(key)?.0.example;
        self.sink().push(problem.help(format!("for example: {example}")));
        None
    }

    pub(super) fn probability(&self, key: &str) -> Option<Spanned<Probability>> {
        let entry = self.entry(key)?;
        match entry.1.get_ref() {
            DeValue::String(text) => self.malformed(entry, Probability::parse(text)),
            DeValue::Integer(number) => self.malformed(entry, Probability::parse_number(number.as_str())),
            DeValue::Float(number) => self.malformed(entry, Probability::parse_number(number.as_str())),
            _ => self.refuse_type(entry, "a probability"),
        }
    }

    pub(super) fn drift(&self, key: &str) -> Option<Spanned<Drift>> {
        let entry = self.entry(key)?;
        let text = match entry.1.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return self.refuse_type(entry, "a number of ppm"),
        };
        self.malformed(entry, Drift::parse_number(text))
    }

    /// A number in millionths.
    pub(super) fn micro(&self, key: &str) -> Option<i64> {
        self.micro_of(self.entry(key)?)
    }

    fn micro_of(&self, entry: Entry<'_, '_>) -> Option<i64> {
        let text = match entry.1.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return self.refuse_type(entry, "a number"),
        };
        self.malformed(entry, micro(text)).map(Spanned::into_inner)
    }

    /// An integer within the bounds that the language gives the key.
    pub(super) fn integer(&self, key: &str) -> Option<Spanned<i64>> {
        let entry = self.entry(key)?;
        let DeValue::Integer(number) = entry.1.get_ref() else {
            return self.refuse_type(entry, "an integer");
        };
        let Shape::Integer { min, max } = entry.0.shape else {
            unreachable!("only integers are read as integers");
        };
        self.within(entry, number, min, max)
    }

    fn within(
        &self,
        (field, value): Entry<'_, '_>,
        number: &DeInteger<'_>,
        min: i64,
        max: i64,
    ) -> Option<Spanned<i64>> {
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(read) if (min..=max).contains(&read) => Some(Spanned::new(value.span(), read)),
            _ => {
                let what = format!("`{}` is between {min} and {max}, not {number}", field.key);
                let problem = Problem::new(Code::OutOfRange, value.span(), what, "out of range");
                self.sink().push(problem.help(format!("for example: {}", field.example)));
                None
            }
        }
    }

    /// A list of integers within the bounds that the language gives the key.
    pub(super) fn integers(&self, key: &str) -> Option<Vec<i64>> {
        let entry = self.entry(key)?;
        let Shape::Integers { min, max } = entry.0.shape else {
            unreachable!("only lists of integers are read as such");
        };
        let items = self.filled_list(entry, "a list of integers")?;
        let read = items.iter().map(|item| match item.get_ref() {
            DeValue::Integer(number) => self.within((entry.0, item), number, min, max).map(Spanned::into_inner),
            _ => self.refuse_type((entry.0, item), "a list of integers"),
        });
        // All of them are looked at before it is known whether one is missing.
        let read: Vec<Option<i64>> = read.collect();
        read.into_iter().collect()
    }

    /// A list of some of the words that the language gives the key, as their indices.
    pub(super) fn words(&self, key: &str) -> Option<Vec<usize>> {
        let entry = self.entry(key)?;
        let Shape::Words(words) = entry.0.shape else {
            unreachable!("only lists of words are read as such");
        };
        let items = self.filled_list(entry, "a list of words")?;
        let texts = items.iter().filter_map(|item| self.text_of((entry.0, item)));
        let found = texts.filter_map(|text| {
            let found = words.iter().position(|(word, _)| *word == text.as_str());
            if found.is_none() {
                self.unknown(key, &text, words.iter().map(|(word, _)| *word));
            }
            found
        });
        Some(found.collect())
    }

    /// The values of a list that is not empty.
    fn filled_list(&self, entry: Entry<'r, 'i>, wanted: &str) -> Option<&'r [Spanned<DeValue<'i>>]> {
        let DeValue::Array(items) = entry.1.get_ref() else {
            return self.refuse_type(entry, wanted);
        };
        if items.is_empty() {
            let what = format!("`{}` is empty", entry.0.key);
            let problem = Problem::new(Code::OutOfRange, entry.1.span(), what, "nothing in it");
            self.sink().push(problem.help(format!("for example: {}", entry.0.example)));
            return None;
        }
        Some(items)
    }

    /// An unsigned 64-bit number, which TOML's own integers cannot always hold: `42`, `"0x2a"`.
    pub(super) fn seed(&self, key: &str) -> Option<u64> {
        let entry = self.entry(key)?;
        let read = match entry.1.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()),
            DeValue::String(text) => match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(&hex.replace('_', ""), 16),
                None => text.parse(),
            },
            _ => return self.refuse_type(entry, "an integer"),
        };
        if read.is_err() {
            let what = format!("`{key}` is an integer from 0 to {}", u64::MAX);
            let problem = Problem::new(Code::OutOfRange, entry.1.span(), what, "not one of those");
            self.sink().push(problem.help("for example: seed = 42, or seed = \"0x2a\""));
        }
        read.ok()
    }

    /// One of the words that the language gives the key, as its index.
    pub(super) fn word(&self, key: &str) -> Option<usize> {
        let entry = self.entry(key)?;
        let Shape::Word(words) = entry.0.shape else {
            unreachable!("only words are read as words");
        };
        let text = self.text_of(entry)?;
        let found = words.iter().position(|(word, _)| *word == text.as_str());
        if found.is_none() {
            self.unknown(key, &text, words.iter().map(|(word, _)| *word));
        }
        found
    }

    /// Notes a word that is none of `allowed`.
    pub(super) fn unknown<'a>(&self, key: &str, text: &Text, allowed: impl Iterator<Item = &'a str> + Clone) {
        let what = format!("`{key}` cannot be \"{}\"", text.as_str());
        let help = match did_you_mean(text.as_str(), allowed.clone()) {
            Some(meant) => format!("did you mean \"{meant}\"? It is one of {}", list(allowed)),
            None => format!("it is one of {}", list(allowed)),
        };
        let problem = Problem::new(Code::UnknownValue, text.span(), what, "not one of its words");
        self.sink().push(problem.help(help));
    }

    /// A time, or the word `calm`.
    pub(super) fn moment(&self, key: &str) -> Option<Spanned<Moment>> {
        fn parse(text: &str) -> Result<Moment, Malformed> {
            if text == "calm" {
                return Ok(Moment::Calm);
            }
            let or_calm = |malformed: Malformed| Malformed { help: malformed.help + ", or \"calm\"", ..malformed };
            Time::parse(text).map(Moment::At).map_err(or_calm)
        }
        self.quantity(key, "a time, or \"calm\"", parse)
    }

    /// A list of strings, or a single one.
    pub(super) fn names(&self, key: &str) -> Option<Vec<Text>> {
        let entry = self.entry(key)?;
        let items = match entry.1.get_ref() {
            DeValue::String(_) => return self.text_of(entry).map(|text| vec![text]),
            DeValue::Array(items) => items,
            _ => return self.refuse_type(entry, "a name or a list of names"),
        };
        if items.is_empty() {
            let what = format!("`{key}` is empty");
            let problem = Problem::new(Code::OutOfRange, entry.1.span(), what, "nothing in it");
            self.sink().push(problem.help(format!("for example: {}", entry.0.example)));
            return None;
        }
        let before = self.sink().len();
        let texts = items.iter().filter_map(|item| self.text_of((entry.0, item))).collect();
        (self.sink().len() == before).then_some(texts)
    }

    /// One address, or several in a list; with each, its place.
    pub(super) fn addresses(&self, key: &str) -> Option<Vec<Spanned<Cidr>>> {
        let texts = self.names(key)?;
        let read: Vec<_> = texts.iter().filter_map(|text| self.address(text)).collect();
        (read.len() == texts.len()).then_some(read)
    }

    fn address(&self, text: &Text) -> Option<Spanned<Cidr>> {
        match Cidr::parse(text.as_str()) {
            Ok(cidr) => Some(Spanned::new(text.span(), cidr)),
            Err((what, help)) => {
                let problem = Problem::new(Code::Address, text.span(), what, "here");
                self.sink().push(problem.help(help));
                None
            }
        }
    }

    /// One address without a prefix length, or several in a list; with each, its place.
    pub(super) fn hosts(&self, key: &str) -> Option<Vec<Spanned<IpAddr>>> {
        let texts = self.names(key)?;
        let read = texts.iter().filter_map(|text| {
            let Ok(address) = text.as_str().parse() else {
                let what = format!("\"{}\" is not an address", text.as_str());
                let example = self.entry(key)?.0.example;
                let problem = Problem::new(Code::Address, text.span(), what, "here");
                self.sink().push(problem.help(format!("without a prefix length; for example: {example}")));
                return None;
            };
            Some(Spanned::new(text.span(), address))
        });
        let read: Vec<_> = read.collect();
        (read.len() == texts.len()).then_some(read)
    }

    /// One address without a prefix length.
    pub(super) fn host(&self, key: &str) -> Option<Spanned<IpAddr>> {
        let mut hosts = self.hosts(key)?.into_iter();
        hosts.next()
    }

    /// One subnet.
    pub(super) fn subnet(&self, key: &str) -> Option<Spanned<Cidr>> {
        let text = self.text(key)?;
        self.address(&text)
    }

    /// Names or globs by name.
    pub(super) fn names_by_key(&self, key: &str) -> Vec<(Text, Vec<Text>)> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let DeValue::Table(items) = entry.1.get_ref() else {
            self.refuse_type::<()>(entry, "a table of names");
            return Vec::new();
        };
        let read = items.iter().map(|(name, value)| {
            let name = Text::new(name.get_ref(), name.span(), self.file.source);
            let texts = match value.get_ref() {
                DeValue::Array(items) => items.iter().filter_map(|item| self.text_of((entry.0, item))).collect(),
                _ => self.text_of((entry.0, value)).into_iter().collect(),
            };
            (name, texts)
        });
        read.collect()
    }

    /// Addresses by network, where the key holds a table of them.
    pub(super) fn addresses_by_network(&self, key: &str) -> Option<Vec<(Text, Vec<Spanned<Cidr>>)>> {
        let entry = self.entry(key)?;
        let DeValue::Table(items) = entry.1.get_ref() else {
            return None;
        };
        let before = self.sink().len();
        let mut read = Vec::new();
        for (name, value) in items {
            let name = Text::new(name.get_ref(), name.span(), self.file.source);
            let texts: Vec<Text> = match value.get_ref() {
                DeValue::Array(items) => items.iter().filter_map(|item| self.text_of((entry.0, item))).collect(),
                _ => self.text_of((entry.0, value)).into_iter().collect(),
            };
            read.push((name, texts.iter().filter_map(|text| self.address(text)).collect()));
        }
        (self.sink().len() == before).then_some(read)
    }

    /// The raw value of a key.
    pub(super) fn raw(&self, key: &str) -> Option<&'r Spanned<DeValue<'i>>> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The table at a key.
    pub(super) fn table(&self, key: &str) -> Option<Reader<'r, 'i>> {
        let entry = self.entry(key)?;
        let (Shape::Table(table) | Shape::ProbabilityOr(table) | Shape::SizeOr(table)) = entry.0.shape else {
            unreachable!("only tables are read as tables");
        };
        match entry.1.get_ref() {
            DeValue::Table(items) => {
                let place = format!("`{key}`");
                Some(Self::open(self.file, table, items, &entry.1.span(), &place))
            }
            _ => self.refuse_type(entry, "a table"),
        }
    }

    /// The table at a key that may hold a plain value, if it holds a table.
    pub(super) fn inner_table(&self, key: &str) -> Option<Reader<'r, 'i>> {
        self.entry(key).filter(|(_, value)| value.get_ref().is_table())?;
        self.table(key)
    }

    /// The keys that are there, with their places.
    pub(super) fn present(&self) -> Vec<(&'static str, Span)> {
        let known = |(key, _): (&Spanned<DeString<'_>>, _)| Some((self.table.field(key_text(key))?.key, key.span()));
        self.items.iter().filter_map(known).collect()
    }

    /// A line that is right for a key.
    pub(super) fn example(&self, key: &str) -> &'static str {
        self.table.field(key).map_or("", |field| field.example)
    }

    /// The tables at a key, by name, in the order of the text. What is no table is noted, and has
    /// no reader, but its name still counts as taken.
    pub(super) fn map(&self, key: &str, place: &str) -> Vec<(Text, Option<Reader<'r, 'i>>)> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let Shape::Map(table) = entry.0.shape else {
            unreachable!("only maps are read as maps");
        };
        let DeValue::Table(items) = entry.1.get_ref() else {
            self.refuse_type::<()>(entry, "a table of tables");
            return Vec::new();
        };
        let mut read = Vec::new();
        for (name, value) in items {
            let text = Text::new(name.get_ref(), name.span(), self.file.source);
            let reader = match value.get_ref() {
                DeValue::Table(items) => {
                    let place = format!("[{place}.{}]", text.as_str());
                    Some(Self::open(self.file, table, items, &name.span(), &place))
                }
                _ => self.refuse_type((entry.0, value), "a table of tables"),
            };
            read.push((text, reader));
        }
        read
    }

    /// The array of tables at a key, with the place of each.
    pub(super) fn list(&self, key: &str) -> Vec<(Span, Reader<'r, 'i>)> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let Shape::List(table) = entry.0.shape else {
            unreachable!("only lists are read as lists");
        };
        let DeValue::Array(items) = entry.1.get_ref() else {
            self.refuse_type::<()>(entry, "a list of tables, each under its own header");
            return Vec::new();
        };
        let mut read = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(items) => {
                    let place = format!("[[{key}]]");
                    let reader = Self::open(self.file, table, items, &item.span(), &place);
                    read.push((item.span(), reader));
                }
                _ => self.refuse_type::<()>((entry.0, item), "a list of tables").unwrap_or(()),
            }
        }
        read
    }
}

fn key_text<'k>(key: &'k Spanned<DeString<'_>>) -> &'k str {
    key.get_ref()
}

/// The key that a name which a table does not have stands for in others, and what their headers look like. There are so many
/// that only a slip counts.
fn elsewhere(name: &str) -> Option<(&'static str, String)> {
    let mut tables = Vec::new();
    headed(&SCENARIO, &mut tables);
    let key = did_you_mean(name, tables.iter().flat_map(|(_, table)| table.keys()))
        .filter(|key| strsim::osa_distance(name, key) <= 1)?;
    let places = tables.iter().filter(|(_, table)| table.field(key).is_some());
    Some((key, list(places.map(|(header, _)| *header))))
}

/// The tables under one that have a header of their own, each with an example of it.
fn headed(table: &'static Table, into: &mut Vec<(&'static str, &'static Table)>) {
    for field in table.fields {
        if let Shape::Map(inner) | Shape::List(inner) = field.shape
            && field.example.starts_with('[')
        {
            into.push((field.example, inner));
            headed(inner, into);
        }
    }
}

fn find<'r, 'i>(items: &'r DeTable<'i>, key: &str) -> Option<&'r Spanned<DeValue<'i>>> {
    let found = items.iter().find(|(name, _)| *name.get_ref() == key);
    found.map(|(_, value)| value)
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

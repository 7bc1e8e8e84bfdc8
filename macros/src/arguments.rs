//! What stands between the attribute's parentheses.

use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitInt, LitStr, Path, Token};

/// `scenario = "…", seeds = N, registry = path, crate = path`, in any order.
pub(crate) struct Arguments {
    pub(crate) scenario: LitStr,
    pub(crate) seeds: u64,
    pub(crate) registry: Option<Path>,
    pub(crate) krate: Option<Path>,
}

const KEYS: &str = "the keys are scenario, seeds, registry and crate";

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut scenario, mut seeds, mut registry, mut krate) = (None, None, None, None);
        while !input.is_empty() {
            let key = key(input)?;
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "scenario" => once(&mut scenario, &key, file(input)?)?,
                "seeds" => once(&mut seeds, &key, count(input)?)?,
                "registry" => once(&mut registry, &key, input.parse()?)?,
                "crate" => once(&mut krate, &key, input.parse()?)?,
                _ => return Err(Error::new(key.span(), format!("unknown key `{key}`: {KEYS}"))),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let scenario = scenario.ok_or_else(|| {
            input.error("which scenario? For example: scenario = \"scenarios/gallery/first-light.toml\"")
        })?;
        Ok(Self { scenario, seeds: seeds.unwrap_or(1), registry, krate })
    }
}

fn key(input: ParseStream<'_>) -> syn::Result<Ident> {
    if let Some(word) = input.parse::<Option<Token![crate]>>()? {
        return Ok(Ident::new("crate", word.span));
    }
    input.parse().map_err(|error| Error::new(error.span(), format!("expected a key: {KEYS}")))
}

fn once<T>(place: &mut Option<T>, key: &Ident, value: T) -> syn::Result<()> {
    if place.replace(value).is_some() {
        return Err(Error::new(key.span(), format!("`{key}` stands here twice")));
    }
    Ok(())
}

fn file(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let file: LitStr = input.parse()?;
    if file.value().ends_with(".toml") {
        Ok(file)
    } else {
        Err(Error::new(file.span(), "a scenario is a .toml file, named from the package's folder"))
    }
}

fn count(input: ParseStream<'_>) -> syn::Result<u64> {
    let count: LitInt = input.parse()?;
    match count.base10_parse() {
        Ok(0) => Err(Error::new(count.span(), "a test without a seed tests nothing")),
        parsed => parsed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(arguments: &str) -> String {
        syn::parse_str::<Arguments>(arguments).err().unwrap().to_string()
    }

    #[test]
    fn the_keys_may_stand_in_any_order() {
        let arguments: Arguments =
            syn::parse_str("seeds = 1_000, crate = ::mine, registry = kinds::all, scenario = \"a.toml\",").unwrap();
        assert_eq!(arguments.scenario.value(), "a.toml");
        assert_eq!(arguments.seeds, 1_000);
        assert!(arguments.registry.is_some_and(|path| path.segments.len() == 2));
        assert!(arguments.krate.is_some_and(|path| path.leading_colon.is_some()));
    }

    #[test]
    fn one_seed_is_enough() {
        assert_eq!(syn::parse_str::<Arguments>("scenario = \"a.toml\"").unwrap().seeds, 1);
    }

    #[test]
    fn mistakes_are_named_with_the_remedy() {
        assert!(error("").starts_with("unexpected end of input, which scenario?"), "{}", error(""));
        assert!(error("seeds = 0").contains("tests nothing"));
        assert!(error("seed = 1").starts_with("unknown key `seed`: the keys are scenario, seeds"));
        assert!(error("scenario = \"a.toml\", scenario = \"b.toml\"").contains("twice"));
        assert!(error("scenario = \"a.json\"").contains(".toml"));
        assert!(error("\"a.toml\"").contains("expected a key"));
        assert!(error("seeds = 99999999999999999999999").contains("too large"));
    }
}

//! From the attributed function to the test.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, ItemFn, ReturnType};

use crate::arguments::Arguments;

/// The test in the function's place; `krate` is where wavetank's scenarios are unless the arguments say.
pub(crate) fn test(arguments: TokenStream, function: TokenStream, krate: TokenStream) -> syn::Result<TokenStream> {
    let arguments: Arguments = syn::parse2(arguments)?;
    let function: ItemFn = syn::parse2(function)?;
    check(&function)?;

    let ItemFn { attrs, vis, sig, block, .. } = &function;
    let name = &sig.ident;
    let inputs = &sig.inputs;
    let Arguments { scenario, seeds, registry, .. } = &arguments;
    let krate = arguments.krate.as_ref().map_or(krate, ToTokens::to_token_stream);
    let registry = registry.as_ref().map_or_else(|| quote!(#krate::Registry::builtin), ToTokens::to_token_stream);
    let body = if inputs.is_empty() { quote!(|_| body()) } else { quote!(body) };
    Ok(quote! {
        #(#attrs)*
        #[test]
        #vis fn #name() {
            fn body(#inputs) #block
            #krate::testing::run(
                &#krate::testing::Case {
                    package: ::core::env!("CARGO_PKG_NAME"),
                    name: ::core::stringify!(#name),
                    scenario: ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #scenario),
                    seeds: #seeds,
                },
                #registry,
                #body,
            );
        }
    })
}

/// What a test's function may look like; every mistake at once.
fn check(function: &ItemFn) -> syn::Result<()> {
    let sig = &function.sig;
    let mut mistakes = Vec::new();
    if let Some(word) = &sig.asyncness {
        mistakes.push(Error::new_spanned(word, "the body looks at a run that is over: it cannot be async"));
    }
    if sig.inputs.len() > 1 || sig.receiver().is_some() {
        mistakes
            .push(Error::new_spanned(&sig.inputs, "one parameter at most: a reference to the run's final snapshot"));
    }
    if !sig.generics.params.is_empty() {
        mistakes.push(Error::new_spanned(&sig.generics, "a test has no generics"));
    }
    if let ReturnType::Type(..) = &sig.output {
        mistakes.push(Error::new_spanned(&sig.output, "a test returns nothing: it fails by panicking"));
    }
    let twice = |attribute: &&syn::Attribute| attribute.path().is_ident("test");
    if let Some(attribute) = function.attrs.iter().find(twice) {
        mistakes.push(Error::new_spanned(attribute, "this attribute makes it a test already"));
    }
    match mistakes.into_iter().reduce(|mut all, mistake| {
        all.combine(mistake);
        all
    }) {
        Some(all) => Err(all),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(arguments: TokenStream, function: TokenStream) -> syn::Result<String> {
        test(arguments, function, quote!(::wavetank::scenarios)).map(|tokens| tokens.to_string())
    }

    #[test]
    fn a_body_that_looks_at_the_run_is_called_with_it() {
        let expected = quote! {
            #[ignore = "long"]
            #[test]
            fn lamps_burn() {
                fn body(run: &Snapshot) {
                    assert!(run.failures.is_empty());
                }
                ::wavetank::scenarios::testing::run(
                    &::wavetank::scenarios::testing::Case {
                        package: ::core::env!("CARGO_PKG_NAME"),
                        name: ::core::stringify!(lamps_burn),
                        scenario: ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", "lamps.toml"),
                        seeds: 7u64,
                    },
                    kinds::all,
                    body,
                );
            }
        };
        let test = expanded(
            quote!(scenario = "lamps.toml", seeds = 7, registry = kinds::all),
            quote! {
                #[ignore = "long"]
                fn lamps_burn(run: &Snapshot) {
                    assert!(run.failures.is_empty());
                }
            },
        );
        assert_eq!(test.unwrap(), expected.to_string());
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        let expected = quote! {
            #[test]
            fn stands() {
                fn body() {}
                ::mine::testing::run(
                    &::mine::testing::Case {
                        package: ::core::env!("CARGO_PKG_NAME"),
                        name: ::core::stringify!(stands),
                        scenario: ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", "a.toml"),
                        seeds: 1u64,
                    },
                    ::mine::Registry::builtin,
                    |_| body(),
                );
            }
        };
        let test = expanded(
            quote!(scenario = "a.toml", crate = ::mine),
            quote!(
                fn stands() {}
            ),
        );
        assert_eq!(test.unwrap(), expected.to_string());
    }

    #[test]
    fn every_mistake_is_told() {
        let error = expanded(
            quote!(scenario = "a.toml"),
            quote! {
                #[test]
                async fn wrong<T>(a: &T, b: &T) -> bool {
                    true
                }
            },
        )
        .unwrap_err();
        assert_eq!(error.into_iter().count(), 5);
    }
}

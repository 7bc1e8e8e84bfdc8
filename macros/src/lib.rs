//! The attribute that turns a scenario into a test.

mod arguments;
mod expand;

use proc_macro::TokenStream;
use quote::quote;

/// Runs a scenario with a row of seeds; the test fails when an expectation breaks with any of them.
///
/// ```text
/// #[wavetank::test(scenario = "scenarios/flood.toml", seeds = 100)]
/// fn the_meadow_stays_dry() {}
///
/// #[wavetank::test(scenario = "scenarios/lamps.toml", registry = kinds::registry)]
/// fn lamps_burn(run: &Snapshot) {
///     assert!(run.failures.is_empty());
/// }
/// ```
///
/// - `scenario`: the file, from the package's folder.
/// - `seeds`: how many seeds, from the scenario's own upwards. 1 if it is left out.
/// - `registry`: a function that gives the registry of kinds. The kinds that wavetank brings along if it is left out.
/// - `crate`: where wavetank's scenarios are found, for packages that name them otherwise than `::wavetank::scenarios`.
///
/// The function's body runs after each seed's run, in the order of the seeds; it may take a parameter, a reference to
/// the run's final snapshot. Worlds run side by side on all processors.
///
/// `WAVETANK_SEED=17` runs that seed alone, as the line that a failing test ends with does; `WAVETANK_SEEDS=10000` runs
/// that many, `WAVETANK_JOBS=1` one after the other. How many were run stands in the test's output.
///
/// # Expansion
///
/// ```text
/// #[test]
/// fn lamps_burn() {
///     fn body(run: &Snapshot) { … }
///     ::wavetank::scenarios::testing::run(
///         &::wavetank::scenarios::testing::Case {
///             package: env!("CARGO_PKG_NAME"),
///             name: "lamps_burn",
///             scenario: concat!(env!("CARGO_MANIFEST_DIR"), "/", "scenarios/lamps.toml"),
///             seeds: 1u64,
///         },
///         kinds::registry,
///         body,
///     );
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, function: TokenStream) -> TokenStream {
    expand(arguments, function, quote!(::wavetank::scenarios))
}

/// [`test`](macro@test) for packages that name `wavetank_scenarios` and not `wavetank`.
#[proc_macro_attribute]
pub fn scenarios_test(arguments: TokenStream, function: TokenStream) -> TokenStream {
    expand(arguments, function, quote!(::wavetank_scenarios))
}

fn expand(arguments: TokenStream, function: TokenStream, krate: proc_macro2::TokenStream) -> TokenStream {
    expand::test(arguments.into(), function.into(), krate).unwrap_or_else(syn::Error::into_compile_error).into()
}

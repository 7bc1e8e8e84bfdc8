//! The attribute that turns a scenario into a test.

mod arguments;
mod expand;

use proc_macro::TokenStream;

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
/// - `crate`: where `wavetank_scenarios` is found, for packages that name it otherwise.
///
/// The function's body runs after each seed's run; it may take a parameter, a reference to the run's
/// final snapshot.
///
/// # Expansion
///
/// ```text
/// #[test]
/// fn lamps_burn() {
///     fn body(run: &Snapshot) { … }
///     ::wavetank_scenarios::testing::run(
///         concat!(env!("CARGO_MANIFEST_DIR"), "/", "scenarios/lamps.toml"),
///         1u64,
///         kinds::registry,
///         body,
///     );
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, function: TokenStream) -> TokenStream {
    expand::test(arguments.into(), function.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

//! What the compiler says of handlers that are none. Its words change with its versions, so it is asked in one version alone.

use std::process::Command;

/// The compiler that the words in `tests/ui` are of: the oldest that the workspace promises.
const COMPILER: &str = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"));

#[test]
fn mistakes_in_handlers_are_told_so_that_one_can_mend_them() {
    let version = Command::new("rustc").arg("--version").output().expect("cargo has found a compiler").stdout;
    let version = String::from_utf8_lossy(&version);
    if !version.starts_with(COMPILER) {
        println!("the words are those of {COMPILER}, and this is {version}: nothing was tested");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

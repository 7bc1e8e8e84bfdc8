//! What CI runs, in Rust.

fn main() {}

//! The stack against the Linux kernel and against real programs, over a TAP device.
//!
//! Each case runs in a network namespace of its own, in which it may do as it likes; it takes root to make one.
//! `cargo xtask interop` has the programs installed. What is compared is what the other side really does.

#[cfg(target_os = "linux")]
mod cable;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod shore;
#[cfg(target_os = "linux")]
mod table;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    table::run(&std::env::args().skip(1).collect::<Vec<_>>())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("interop: skipped, there are TAP devices and network namespaces on Linux only");
}

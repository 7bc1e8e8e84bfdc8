//! A million devices that report once a minute by CoAP, on one core: how fast that is, and what memory it takes.
//!
//! `million [DEVICES [MINUTES]]`: a million for two minutes, if nothing is said.

use std::env;
use std::fs;
use std::process::ExitCode;

use wavetank_bench::fleet::{self, DEVICES_MAX};

/// A day.
const MINUTES_MAX: u32 = 1_440;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |at: usize, default: u32, most: u32| {
        let said = arguments.get(at).map_or(Ok(default), |text| text.parse());
        said.ok().filter(|number| (1..=most).contains(number))
    };
    let (devices, minutes) = (number(0, 1_000_000, DEVICES_MAX), number(1, 2, MINUTES_MAX));
    let (Some(devices), Some(minutes), true) = (devices, minutes, arguments.len() <= 2) else {
        eprintln!(
            "million [DEVICES [MINUTES]]: how many report, up to {DEVICES_MAX}, and for how many minutes after their first \
             report, up to {MINUTES_MAX}"
        );
        return ExitCode::from(2);
    };
    let measured = fleet::reports(devices, minutes);
    let done = measured.done;
    let seconds = measured.cpu.as_secs_f64();
    println!("devices               {devices:>14}");
    println!("built and warmed up   {:>14.1} s of processor time", measured.prepared.as_secs_f64());
    println!("reports               {:>14} in {} virtual s", done.items, done.virtual_time.as_secs());
    println!("processor time        {seconds:>14.1} s, {:.2} µs a report", seconds * 1e6 / done.items as f64);
    println!("to real time          {:>14.1} ×", done.virtual_time.as_secs_f64() / seconds);
    println!("frames a report       {:>14.2}", done.frames as f64 / done.items as f64);
    println!("events a report       {:>14.2}", done.events as f64 / done.items as f64);
    println!(
        "memory                {:>14.2} GiB allocated, {} bytes a device",
        gib(measured.memory),
        measured.memory / u64::from(devices)
    );
    if let Some(peak) = peak_resident() {
        println!("resident at the most  {:>14.2} GiB", gib(peak));
    }
    if let Some(fingerprint) = done.fingerprint {
        println!("fingerprint           {fingerprint}");
    }
    ExitCode::SUCCESS
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// The most memory that this process had, where the system tells.
fn peak_resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

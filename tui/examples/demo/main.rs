//! Watches a small world: `cargo run -p wavetank-tui --example demo [SENSORS]`.

mod pond;

use std::process::ExitCode;

use wavetank_sim::session::{Ended, Pace, Session};
use wavetank_sim::time::Instant;
use wavetank_sim::world::WorldConfig;
use wavetank_tui::{Opening, Watch, watch};

fn main() -> ExitCode {
    let sensors = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let seed = 42;
    let start = move || {
        let session = Session::start(WorldConfig { seed, ..WorldConfig::default() }, move |world| {
            pond::fill(world, sensors, &pond::worn());
            Ok::<_, Ended>(())
        });
        session.map_err(|ended| ended.to_string())
    };
    let end = Instant::from_nanos(20_000_000_000);
    let view = Watch { title: "a pond".into(), seed, end, pace: Pace::PerMille(1_000), opening: Opening::Running };
    match watch(Box::new(start), view) {
        Ok(last) => {
            println!("{} events in {}, fingerprint {}", last.events, last.now, last.fingerprint);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

//! Worker processes: this program, started once more with a verb that nobody types.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use wavetank_scenarios::Registry;
use wavetank_scenarios::explore::worker;

use crate::command::Trouble;
use crate::exit::Exit;

/// What a worker exits with that gave up on a world.
const GAVE_UP: i32 = 70;

/// Serves the process that started this one, over standard input and output.
pub(crate) fn serve(registry: &Registry) -> Result<Exit, Trouble> {
    worker::serve(io::stdin().lock(), io::stdout(), registry, || process::exit(GAVE_UP))?;
    Ok(Exit::Pass)
}

/// The command that starts a worker: this very program with its kinds, even if its file has been replaced meanwhile.
pub(crate) fn command() -> io::Result<impl Fn() -> Command + Sync> {
    let running = Path::new("/proc/self/exe");
    let program = if running.exists() { PathBuf::from(running) } else { std::env::current_exe()? };
    Ok(move || {
        let mut command = Command::new(&program);
        // A failure tells where a panic came from; looking up whole stacks would cost more than the worlds.
        command.arg("__worker").env("RUST_BACKTRACE", "0");
        command
    })
}

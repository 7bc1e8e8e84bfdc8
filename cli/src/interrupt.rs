//! Ctrl-C: the first asks for an end, the second takes it.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether Ctrl-C was pressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on, Ctrl-C only sets this.
    pub(crate) fn heard() -> Self {
        let interrupt = Self::default();
        let pressed = interrupt.clone();
        // Where nothing can be heard, Ctrl-C ends the process as it always did.
        let _ = ctrlc::set_handler(move || {
            if pressed.0.swap(true, Relaxed) {
                process::exit(130);
            }
        });
        interrupt
    }

    pub(crate) fn was_pressed(&self) -> bool {
        self.0.load(Relaxed)
    }
}

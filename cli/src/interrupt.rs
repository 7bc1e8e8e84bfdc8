//! Ctrl-C: the first asks for an end, the second takes it.

use std::process;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Whether Ctrl-C was pressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<Mutex<Pressed>>);

#[derive(Debug, Default)]
struct Pressed {
    once: bool,
    /// Who is to know at once.
    told: Option<Sender<Ends>>,
}

/// Why nobody needs to be told any more.
#[derive(Debug)]
enum Ends {
    Pressed,
    Done,
}

impl Interrupt {
    /// From now on, Ctrl-C only sets this.
    pub(crate) fn heard() -> Self {
        let interrupt = Self::default();
        let pressed = interrupt.clone();
        // Where nothing can be heard, Ctrl-C ends the process as it always did.
        let _ = ctrlc::set_handler(move || {
            if pressed.press() {
                process::exit(130);
            }
        });
        interrupt
    }

    pub(crate) fn was_pressed(&self) -> bool {
        self.with(|pressed| pressed.once)
    }

    /// Does `work`, and calls `asked` once if Ctrl-C is pressed before it is done.
    pub(crate) fn during<R>(&self, asked: impl FnOnce() + Send, work: impl FnOnce() -> R) -> R {
        let (tell, told) = channel();
        self.with(|pressed| {
            if pressed.once {
                // The other end is right here.
                let _ = tell.send(Ends::Pressed);
            }
            pressed.told = Some(tell.clone());
        });
        thread::scope(|scope| {
            scope.spawn(move || {
                if let Ok(Ends::Pressed) = told.recv() {
                    asked();
                }
            });
            let result = work();
            // Nobody listens where it was pressed.
            let _ = tell.send(Ends::Done);
            result
        })
    }

    /// Whether it had been pressed before.
    fn press(&self) -> bool {
        self.with(|pressed| {
            if let Some(tell) = pressed.told.take() {
                // Nobody listens any more if the work is done.
                let _ = tell.send(Ends::Pressed);
            }
            std::mem::replace(&mut pressed.once, true)
        })
    }

    fn with<R>(&self, f: impl FnOnce(&mut Pressed) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_told_once_and_a_second_press_is_known_for_one() {
        let interrupt = Interrupt::default();
        let (tell, told) = channel();
        let result = interrupt.during(
            || tell.send(()).unwrap(),
            || {
                assert!(!interrupt.press());
                told.recv().unwrap();
                7
            },
        );
        assert_eq!((result, interrupt.was_pressed()), (7, true));
        assert!(interrupt.press(), "the second");
    }

    #[test]
    fn work_that_nobody_interrupts_ends() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.during(|| panic!("nobody pressed"), || 7), 7);
        assert!(!interrupt.was_pressed());
    }

    #[test]
    fn what_was_pressed_before_is_told_too() {
        let interrupt = Interrupt::default();
        interrupt.press();
        let (tell, told) = channel();
        interrupt.during(|| tell.send(()).unwrap(), || told.recv().unwrap());
    }
}

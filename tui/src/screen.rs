//! The terminal: taken, and given back on every way out.

use std::io::{self, IsTerminal, Stdout};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

use crate::Error;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// The terminal in raw mode, on its alternate screen.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    previous_hook: Arc<Hook>,
    last_panic: Arc<Mutex<Option<String>>>,
    /// Shared with the panic hook, since giving the terminal back twice would move its cursor.
    is_taken: Arc<AtomicBool>,
}

impl Screen {
    pub(crate) fn take() -> Result<Self, Error> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(Error::NoTerminal);
        }
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let previous_hook: Arc<Hook> = Arc::from(panic::take_hook());
        let last_panic = Arc::default();
        let is_taken = Arc::new(AtomicBool::new(true));
        let kept = Arc::clone(&last_panic);
        panic::set_hook(quiet_hook(Arc::clone(&previous_hook), kept, Arc::clone(&is_taken)));
        // From here on, dropping it gives everything back.
        let screen = Self { terminal, previous_hook, last_panic, is_taken };
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(screen)
    }

    pub(crate) fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Stdout>> {
        &mut self.terminal
    }

    /// Gives the terminal back. Returned is the last panic of another thread, which was not printed.
    pub(crate) fn give_back(self) -> Option<String> {
        self.last_panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore(&self.is_taken);
        // The hook cannot be changed by a thread that panics; then it stays, and only hands panics on.
        if !thread::panicking() {
            let previous = Arc::clone(&self.previous_hook);
            panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}

fn restore(is_taken: &AtomicBool) {
    if !is_taken.swap(false, Relaxed) {
        return;
    }
    // There is nobody left to tell if this fails.
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// A panic of the screen's own thread gives the terminal back before it is printed. Those of other threads are kept:
/// nodes may panic, and printing that would spoil the picture.
fn quiet_hook(previous: Arc<Hook>, last_panic: Arc<Mutex<Option<String>>>, is_taken: Arc<AtomicBool>) -> Box<Hook> {
    let screen_thread = thread::current().id();
    Box::new(move |info| {
        if thread::current().id() == screen_thread || !is_taken.load(Relaxed) {
            restore(&is_taken);
            previous(info);
        } else {
            *last_panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.to_string());
        }
    })
}

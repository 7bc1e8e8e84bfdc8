//! The loop that joins keys, state, screen and helm.

use std::io;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant as WallInstant};

use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::crossterm::event::{self, Event};
use ratatui::layout::Size;
use wavetank_sim::session::Ended;
use wavetank_sim::world::Snapshot;

use crate::helm::Helm;
use crate::message::{Command, Message, Order, Run};
use crate::state::State;
use crate::style::Palette;
use crate::update::{look, update};
use crate::{Error, Start, Watch, view};

/// Where keys and resizes come from.
pub(crate) trait Input {
    /// The next one, if there is one within `patience`. A script may decide by what the screen shows.
    fn next(&mut self, state: &State, patience: Duration) -> io::Result<Option<Event>>;
}

/// The terminal's own keys.
pub(crate) struct Keyboard;

impl Input for Keyboard {
    fn next(&mut self, _: &State, patience: Duration) -> io::Result<Option<Event>> {
        if event::poll(patience)? { event::read().map(Some) } else { Ok(None) }
    }
}

/// From one look at a running world to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// A look that holds the world up for long is taken less often: at most one part in so many of the world's time.
const LOOK_SHARE: u32 = 10;
/// A helm that has not answered for so long is said to be busy.
const SILENCE: Duration = Duration::from_secs(1);
/// How long keys are waited for while the helm owes an answer, and while it does not.
const PATIENCE: [Duration; 2] = [Duration::from_millis(4), Duration::from_millis(500)];

/// Shows a run and lets it go on, until the person quits.
pub(crate) fn watch_on<B, I>(
    terminal: &mut Terminal<B>,
    input: &mut I,
    start: Start,
    watch: Watch,
    palette: Palette,
) -> Result<Snapshot, Error>
where
    B: Backend<Error: Send + Sync + 'static>,
    I: Input,
{
    let first = watch.opening.order(watch.pace);
    let helm = Helm::take(start, watch.end)?;
    let size = terminal.size().map_err(io::Error::other)?;
    let mut state = State::new(watch, palette, size);
    state.run = if matches!(first, Order::Run(_)) { Run::Running } else { Run::Paused };
    state.outstanding = 1;
    // If the helm is gone already, the first look says why.
    let _ = helm.orders.send(first);
    let mut desk =
        Desk { terminal, input, helm, state, begun: WallInstant::now(), looked: WallInstant::now(), waiting: None };
    desk.work()?;
    desk.leave()
}

struct Desk<'a, B: Backend, I> {
    terminal: &'a mut Terminal<B>,
    input: &'a mut I,
    helm: Helm,
    state: State,
    begun: WallInstant,
    looked: WallInstant,
    /// Since when the helm has owed the next answer.
    waiting: Option<WallInstant>,
}

impl<B: Backend<Error: Send + Sync + 'static>, I: Input> Desk<'_, B, I> {
    /// Until the person quits, or the world has ended unexpectedly.
    fn work(&mut self) -> Result<(), Error> {
        let mut is_stale = true;
        loop {
            if is_stale {
                self.draw()?;
            }
            is_stale = false;
            if let Some(message) = self.next_key()? {
                is_stale = true;
                match update(&mut self.state, message) {
                    None => {}
                    Some(Command::Quit) => return Ok(()),
                    Some(Command::Repaint) => self.terminal.clear().map_err(io::Error::other)?,
                    // If the helm is gone, the next look at its answers says so.
                    Some(Command::Steer(order)) => drop(self.helm.orders.send(order)),
                }
            }
            loop {
                match self.helm.sightings.try_recv() {
                    Ok(sighting) => {
                        let message = Message::Seen { sighting: Box::new(sighting), wall: self.begun.elapsed() };
                        update(&mut self.state, message);
                        self.waiting = None;
                        is_stale = true;
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            self.look_if_due();
            is_stale |= self.note_silence();
        }
    }

    fn look_if_due(&mut self) {
        if self.looked.elapsed() >= self.interval()
            && let Some(order) = look(&mut self.state)
        {
            self.looked = WallInstant::now();
            // As above.
            let _ = self.helm.orders.send(order);
        }
    }

    /// Returns whether that changes the picture.
    fn note_silence(&mut self) -> bool {
        if self.state.outstanding == 0 {
            self.waiting = None;
        }
        let is_silent = self.state.outstanding > 0
            && !self.state.run.is_over()
            && self.waiting.get_or_insert_with(WallInstant::now).elapsed() > SILENCE;
        std::mem::replace(&mut self.state.is_silent, is_silent) != is_silent
    }

    fn interval(&self) -> Duration {
        LOOK_INTERVAL.max(self.state.look_cost * LOOK_SHARE)
    }

    fn next_key(&mut self) -> Result<Option<Message>, Error> {
        let patience = if self.state.outstanding > 0 && !self.state.run.is_over() {
            PATIENCE[0]
        } else if self.state.run == Run::Running {
            self.interval().saturating_sub(self.looked.elapsed())
        } else {
            PATIENCE[1]
        };
        Ok(match self.input.next(&self.state, patience)? {
            Some(Event::Key(key)) => Some(Message::Key(key)),
            Some(Event::Resize(width, height)) => Some(Message::Resize(Size::new(width, height))),
            _ => None,
        })
    }

    fn draw(&mut self) -> Result<(), Error> {
        let state = &self.state;
        self.terminal.draw(|frame| view::draw(frame, state)).map_err(io::Error::other)?;
        Ok(())
    }

    /// Leaves the run where it stands. If the world does not answer for a while, a key leaves it behind.
    fn leave(mut self) -> Result<Snapshot, Error> {
        self.state.is_leaving = true;
        let Helm { orders, thread, .. } = self.helm;
        drop(orders);
        let begun = WallInstant::now();
        let mut is_told = false;
        while !thread.is_finished() {
            let key = self.input.next(&self.state, PATIENCE[0])?;
            if begun.elapsed() < SILENCE {
                continue;
            }
            if is_told && matches!(key, Some(Event::Key(_))) {
                return Err(Error::Unresponsive);
            }
            if !is_told {
                is_told = true;
                self.state.notice = Some("the world is busy and does not end; any key leaves it behind".into());
                let state = &self.state;
                self.terminal.draw(|frame| view::draw(frame, state)).map_err(io::Error::other)?;
            }
        }
        thread.join().unwrap_or(Err(Ended.into()))
    }
}

//! What people see and touch of a gateway: a light and a button.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;

use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embedded_hal::digital::{InputPin, OutputPin, PinState};
use embedded_hal_async::digital::Wait;
use wavetank_stack::time::sleep;
use wavetank_stack::{Clock, Duration, Probe};

use super::metrics;
use crate::updates::Vitals;

/// Half a blink, while the uplink does not answer, and while the button is pressed.
const SLOW: Duration = Duration::from_secs(1);
const FAST: Duration = Duration::from_millis(200);
/// How long a contact may bounce.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// How long to leave a pin alone that failed.
const RETRY: Duration = Duration::from_secs(1);

/// How the uplink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// It answers.
    Well,
    /// It does not, or has not yet.
    CutOff,
}

/// The light, and what it is to show.
pub(super) struct Panel<'a, O, P> {
    light: RefCell<O>,
    pub(super) probe: &'a P,
    pub(super) vitals: &'a Vitals,
    shown: Cell<Show>,
    pressed: Cell<bool>,
    changed: Signal<NoopRawMutex, ()>,
}

impl<'a, O: OutputPin, P: Probe> Panel<'a, O, P> {
    pub(super) fn new(light: O, probe: &'a P, vitals: &'a Vitals) -> Self {
        probe.gauge(metrics::UPLINK, 0);
        Self {
            light: RefCell::new(light),
            probe,
            vitals,
            shown: Cell::new(Show::CutOff),
            pressed: Cell::new(false),
            changed: Signal::new(),
        }
    }

    pub(super) fn show(&self, show: Show) {
        if self.shown.replace(show) != show {
            self.probe.gauge(metrics::UPLINK, (show == Show::Well).into());
            self.changed.signal(());
        }
    }

    fn press(&self, pressed: bool) {
        if self.pressed.replace(pressed) != pressed {
            self.changed.signal(());
        }
    }

    /// Has the light say it, for ever.
    pub(super) async fn run(&self, clock: &impl Clock) -> Infallible {
        let mut on = true;
        loop {
            let half = match (self.pressed.get(), self.shown.get()) {
                (true, _) => Some(FAST),
                (false, Show::CutOff) => Some(SLOW),
                (false, Show::Well) => None,
            };
            on |= half.is_none();
            self.set(on);
            match half {
                Some(half) => {
                    if let Either::First(()) = select(sleep(clock, half), self.changed.wait()).await {
                        on = !on;
                    }
                }
                None => self.changed.wait().await,
            }
        }
    }

    fn set(&self, on: bool) {
        match self.light.borrow_mut().set_state(PinState::from(on)) {
            Ok(()) => self.probe.gauge(metrics::LIGHT, on.into()),
            Err(_) => self.fail(),
        }
    }

    fn fail(&self) {
        self.probe.count(metrics::PANEL_ERRORS, 1);
        self.vitals.sensor_failed();
    }
}

/// Waits until the button was held for that long.
pub(super) async fn press<B: InputPin + Wait>(
    button: &mut B,
    clock: &impl Clock,
    hold: Duration,
    panel: &Panel<'_, impl OutputPin, impl Probe>,
) {
    loop {
        let held = held(button, clock, hold, panel).await;
        panel.press(false);
        match held {
            Ok(true) => return,
            Ok(false) => {}
            Err(_) => {
                panel.fail();
                sleep(clock, RETRY).await;
            }
        }
    }
}

/// Waits for the button to be pressed; whether it was held until the end.
async fn held<B: InputPin + Wait>(
    button: &mut B,
    clock: &impl Clock,
    hold: Duration,
    panel: &Panel<'_, impl OutputPin, impl Probe>,
) -> Result<bool, B::Error> {
    button.wait_for_high().await?;
    sleep(clock, DEBOUNCE).await;
    if button.is_low()? {
        return Ok(false);
    }
    panel.press(true);
    match select(button.wait_for_low(), sleep(clock, hold.saturating_sub(DEBOUNCE))).await {
        Either::First(let_go) => let_go.map(|()| false),
        Either::Second(()) => Ok(true),
    }
}

//! Telling a keeper what a stack counts.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::{probe::Probe, stack::Stack, stats::COUNTERS};

impl<'r> Stack<'r> {
    /// An application that has `probe` told, whenever it had its turn, what its stack has counted meanwhile: what was dropped
    /// and why, sent again, reset, not to be had ([`COUNTERS`]). What happens after its last turn is not told.
    ///
    /// ```no_run
    /// # use wavetank_stack::{Clock, Probe, Runner, Stack};
    /// # async fn run<D: embassy_net_driver::Driver, C: Clock>(
    /// #     stack: Stack<'_>, mut runner: Runner<'_, D, C>, probe: impl Probe, app: impl Future<Output = ()>,
    /// # ) {
    /// runner.run_with(stack.telling(&probe, app)).await;
    /// # }
    /// ```
    pub fn telling<'s, P: Probe, A: Future>(&'s self, probe: P, app: A) -> Telling<'s, 'r, P, A> {
        Telling { stack: self, probe, edition: self.edition(), told: self.lowest(), app }
    }

    fn edition(&self) -> u32 {
        self.core().borrow().stats.edition()
    }

    /// The lowest bits of what was counted.
    fn lowest(&self) -> [u16; COUNTERS.len()] {
        self.core().borrow().stats.incidents().map(|count| count as u16)
    }
}

pin_project! {
    /// [`Stack::telling`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Telling<'s, 'r, P, A> {
        stack: &'s Stack<'r>,
        probe: P,
        // Of what was counted when it was told last.
        edition: u32,
        // The lowest bits of what was counted when it was told last: between two turns there is less.
        told: [u16; COUNTERS.len()],
        #[pin]
        app: A,
    }
}

impl<P: Probe, A: Future> Future for Telling<'_, '_, P, A> {
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let this = self.project();
        let polled = this.app.poll(cx);
        let edition = this.stack.edition();
        if edition != *this.edition {
            *this.edition = edition;
            let counted = this.stack.lowest();
            tell(this.probe, this.told, &counted);
            *this.told = counted;
        }
        polled
    }
}

#[cold]
fn tell(probe: &impl Probe, told: &[u16], counted: &[u16]) {
    for ((name, _), (before, now)) in COUNTERS.iter().zip(told.iter().zip(counted)) {
        match now.wrapping_sub(*before) {
            0 => {}
            more => probe.count(name, more.into()),
        }
    }
}

impl<P, A> fmt::Debug for Telling<'_, '_, P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").finish_non_exhaustive()
    }
}

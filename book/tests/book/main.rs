//! The book, held to what it says.
//!
//! Its listings are modules of this program, and run in it. The pages show them word for word, and so what a command
//! prints; [`pages`] reads the pages, the other modules compare. With `WAVETANK_BOOK_BLESS=1` (`cargo xtask book --bless`)
//! what has changed is written into the pages instead.

#![allow(unreachable_pub, reason = "listings are written as modules of a library")]
#![allow(dead_code, reason = "a listing may show more than its neighbours use")]

mod links;
mod pages;
mod reference;
mod repository;
mod sessions;
mod shown;

#[path = "../../listings/backpressure.rs"]
mod backpressure;
#[path = "../../listings/bottle.rs"]
mod bottle;
#[path = "../../listings/clock.rs"]
mod clock;
#[path = "../../listings/desugared.rs"]
mod desugared;
#[path = "../../listings/executor.rs"]
mod executor;
#[path = "../../listings/frames.rs"]
mod frames;
#[path = "../../listings/hardware.rs"]
mod hardware;
#[path = "../../listings/interrupt.rs"]
mod interrupt;
#[path = "../../listings/io.rs"]
mod io;
#[path = "../../listings/kinds.rs"]
mod kinds;
#[path = "../../listings/laws.rs"]
mod laws;
#[path = "../../listings/old_futures.rs"]
mod old_futures;
#[path = "../../listings/pinned.rs"]
mod pinned;
#[path = "../../listings/retry.rs"]
mod retry;
#[path = "../../listings/seeds.rs"]
mod seeds;
#[path = "../../listings/server.rs"]
mod server;
#[path = "../../listings/service.rs"]
mod service;
#[path = "../../listings/shared.rs"]
mod shared;
#[path = "../../listings/socket.rs"]
mod socket;
#[path = "../../listings/state_machine.rs"]
mod state_machine;
#[path = "../../listings/stopping.rs"]
mod stopping;
#[path = "../../listings/threads.rs"]
mod threads;
#[path = "../../listings/timer.rs"]
mod timer;
#[path = "../../listings/together.rs"]
mod together;
#[path = "../../listings/traits.rs"]
mod traits;
#[path = "../../listings/wakers.rs"]
mod wakers;

//! Updates on the tank's flash: the power fails at every instant of a device's life with three versions, and there is always
//! something to start, which is whole, signed, and not too old.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod desk;

use std::cell::Cell;
use std::convert::Infallible;

use ed25519_dalek::{Signer as _, SigningKey};
use embedded_io_async::{ErrorType, Read, Write};
use proptest::prelude::*;
use wavetank_sim::hw::Flash;
use wavetank_sim::hw::flash::Memory;
use wavetank_stack::http::Connection;
use wavetank_stack::update::{
    Booted, Fetched, Layout, Manifest, PublicKey, Reset, Signature, Slot, Source, Trust, Updater, Version, Why, boot,
    fetch, install,
};
use wavetank_stack::{Clock, Duration, Instant};

use desk::{Desk, STEP, TEARS, Tear};

const WRITE: usize = 32;
const PAGE: usize = 512;
const PAGES: usize = 2 * 3 + 2;
const LAYOUT: Layout = Layout { a: 0..1_536, b: 1_536..3_072, state: 3_072..4_096 };
/// Two pages, the second of which is not full.
const LEN: usize = 700;
/// When the factory is done with it.
const BEGIN_NS: u64 = 1_000_000;
/// More tries than there are power cuts in any of these lives.
const TRIES: u8 = 9;

type Chip = Memory<WRITE, PAGE>;
type Cells = Flash<Desk, WRITE, PAGE>;

fn vendor() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn trust() -> Trust {
    Trust { key: PublicKey(vendor().verifying_key().to_bytes()), name: "lamp".parse().unwrap() }
}

/// The image of a version, and what it does: 3 fails its self-test, and 5 is ended by a watchdog.
fn image(version: u16) -> Vec<u8> {
    (0..LEN).map(|at| (at * 31) as u8 ^ version as u8).collect()
}

/// What is signed of it. From 4 on there is no way back to what was before 2.
fn manifest(version: u16) -> Manifest {
    let minimum = Version::new(if version >= 4 { 2 } else { 0 }, 0, 0);
    let name = "lamp".parse().unwrap();
    let mut manifest = Manifest::of(name, Version::new(version, 0, 0), minimum, &image(version)).unwrap();
    let text = manifest.signed_text().to_string();
    manifest.signature = Some(Signature(vendor().sign(text.as_bytes()).to_bytes()));
    manifest
}

/// What the device is to take, in this order.
const ORDER: [u16; 4] = [2, 3, 4, 5];

/// A device's life, and what must be so at each of its boots.
#[derive(Default)]
struct Life {
    /// How many of [`ORDER`] it is done with: confirmed, or known to have given up.
    done: Cell<usize>,
    /// The newest version that was said to be confirmed.
    confirmed: Cell<u16>,
    /// What was being confirmed.
    confirming: Cell<u16>,
    boots: Cell<u32>,
}

impl Life {
    /// From boot to boot until all is done.
    async fn live(&self, chip: &Chip, desk: &Desk, first: Reset) {
        let mut reset = first;
        while self.done.get() < ORDER.len() {
            let mut flash = Flash::new(chip.clone(), desk.clone());
            let booted = boot(&mut flash, &LAYOUT, &trust(), reset, TRIES).await.expect("nobody is bricked");
            self.boots.update(|boots| boots + 1);
            self.look(chip, &booted);
            reset = self.run(flash, &booted).await;
        }
    }

    /// What was started is what it is said to be, and what is to be expected.
    fn look(&self, chip: &Chip, booted: &Booted) {
        let version = booted.manifest.version.major;
        let start = LAYOUT.slot(booted.slot).start as usize;
        assert_eq!(booted.manifest, manifest(version));
        assert_eq!(chip.contents()[start..][..LEN], image(version), "every byte of {version} is its own");
        let confirmed = [self.confirmed.get(), self.confirming.get()];
        if booted.on_trial {
            assert_eq!(Some(&version), ORDER.get(self.done.get()), "nothing else is to be tried");
            assert!(version > self.confirmed.get());
        } else {
            assert!(confirmed.contains(&version), "{version} runs, and {confirmed:?} are confirmed");
        }
    }

    /// The device's program, until it wants to be started anew or a watchdog does that.
    async fn run(&self, flash: Cells, booted: &Booted) -> Reset {
        let mut updater = Updater::new(flash, LAYOUT, booted.slot).unwrap();
        let (version, status) = (booted.manifest.version.major, updater.status().await.unwrap());
        assert_eq!(status.on_trial, booted.on_trial);
        assert_eq!(status.version, Some(booted.manifest.version));
        assert!(status.minimum <= booted.manifest.version);
        if status.on_trial {
            match version {
                3 => updater.give_up(Why::SelfTest).await.unwrap(),
                5 => {}
                _ => {
                    self.confirming.set(version);
                    updater.confirm().await.unwrap();
                    self.confirmed.set(version);
                    return self.settle(updater, version).await;
                }
            }
            return Reset::Program;
        }
        self.confirmed.set(version);
        self.settle(updater, version).await
    }

    /// What runs is confirmed: the next version comes.
    async fn settle(&self, mut updater: Updater<Cells>, running: u16) -> Reset {
        loop {
            let Some(next) = ORDER.get(self.done.get()).copied() else { return Reset::Program };
            let status = updater.status().await.unwrap();
            let minimum = if running >= 4 { 2 } else { 0 };
            assert_eq!(status.minimum, Version::new(minimum, 0, 0), "it rises with what is confirmed, and never falls");
            let given_up = status.given_up.is_some_and(|given_up| given_up.version.major == next);
            if next == running || given_up {
                assert_eq!(
                    given_up,
                    matches!(next, 3 | 5),
                    "{next} is given up, and nothing else: {:?}",
                    status.given_up
                );
                updater.told().await.unwrap();
                self.done.update(|done| done + 1);
                continue;
            }
            let mut download = updater.start(&manifest(next), &trust()).await.unwrap();
            let (mut server, mut buffer) = (Server::of(image(next)), [0; 256]);
            let mut connection = Connection::new(&mut server, &mut buffer);
            let source = Source { host: "hub", target: "/", pages: 1, patience: Duration::from_secs(5) };
            while fetch(&mut connection, &source, &mut download, &mut updater, &Still).await.unwrap() != Fetched::All {}
            updater.finish(&mut download).await.unwrap();
            return Reset::Program;
        }
    }
}

/// A board as it leaves the factory, with version 1.
fn board() -> Chip {
    let (chip, desk) = (Memory::new(PAGES, STEP), Desk::new(0, u64::MAX));
    let mut flash = Flash::new(chip.clone(), desk.clone());
    desk.run(install(&mut flash, &LAYOUT, Slot::A, &manifest(1), &image(1))).unwrap().unwrap();
    chip.crash(BEGIN_NS);
    chip
}

fn life() -> Life {
    Life { confirmed: Cell::new(1), ..Life::default() }
}

/// Lives with the power failing after so long each time, and then to the end.
fn live_with_cuts(cuts_ns: &[u64], tear: &mut Tear) {
    let (chip, life) = (board(), life());
    let mut now_ns = BEGIN_NS;
    for cut_ns in cuts_ns {
        let desk = Desk::new(now_ns, now_ns + cut_ns);
        if desk.run(life.live(&chip, &desk, Reset::Outside)).is_some() {
            return;
        }
        now_ns += cut_ns;
        chip.cut(now_ns, tear);
    }
    let desk = Desk::new(now_ns, u64::MAX);
    desk.run(life.live(&chip, &desk, Reset::Outside)).expect("the power stays");
    assert_eq!((life.done.get(), life.confirmed.get()), (ORDER.len(), 4), "{cuts_ns:?} {tear:?}");
    assert_eq!(chip.lost_bits(), 0, "nothing is written where something is: {cuts_ns:?} {tear:?}");
}

#[test]
fn a_power_cut_at_any_instant_leaves_a_device_that_boots_and_ends_up_to_date() {
    let (chip, whole, desk) = (board(), life(), Desk::new(BEGIN_NS, u64::MAX));
    desk.run(whole.live(&chip, &desk, Reset::Outside)).expect("the power stays");
    assert_eq!(whole.boots.get(), 7, "the first, one for each version, and one more for each that was gone back from");
    let end_ns = desk.now_ns.get() - BEGIN_NS;
    for cut_ns in 1..end_ns {
        // Between two steps there is nothing to tear.
        let tears = if cut_ns % 2 == 0 { &TEARS[..1] } else { &TEARS[..3] };
        for mut tear in tears.iter().copied() {
            live_with_cuts(&[cut_ns], &mut tear);
            if matches!(tear, Tear::Chance(_)) {
                live_with_cuts(&[cut_ns, cut_ns % 41 + 1], &mut tear);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn power_that_fails_again_and_again_is_no_reason_either(
        cuts_ns in prop::collection::vec(1..260_u64, 1..8), chance: u64,
    ) {
        live_with_cuts(&cuts_ns, &mut Tear::Chance(chance));
    }
}

/// A server of one image, with ranges.
struct Server {
    image: Vec<u8>,
    asked: Vec<u8>,
    to_send: Vec<u8>,
}

impl Server {
    fn of(image: Vec<u8>) -> Self {
        Self { image, asked: Vec::new(), to_send: Vec::new() }
    }
}

impl ErrorType for Server {
    type Error = Infallible;
}

impl Read for Server {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let count = out.len().min(self.to_send.len());
        out[..count].copy_from_slice(&self.to_send[..count]);
        self.to_send.drain(..count);
        Ok(count)
    }
}

impl Write for Server {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.asked.extend_from_slice(bytes);
        if self.asked.ends_with(b"\r\n\r\n") {
            let request = String::from_utf8(std::mem::take(&mut self.asked)).unwrap();
            let range = request.lines().find_map(|line| line.strip_prefix("Range: bytes=")?.split_once('-')).unwrap();
            let (first, last): (usize, usize) = (range.0.parse().unwrap(), range.1.parse().unwrap());
            let complete = self.image.len();
            let head = format!("HTTP/1.1 206 P\r\nETag: \"1\"\r\nContent-Range: bytes {first}-{last}/{complete}");
            self.to_send = format!("{head}\r\nContent-Length: {}\r\n\r\n", last + 1 - first).into_bytes();
            self.to_send.extend_from_slice(&self.image[first..=last]);
        }
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Time that stands still: this server is never late.
#[derive(Clone, Copy)]
struct Still;

impl Clock for Still {
    type Timer = std::future::Pending<()>;

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn timer(&self, _: Instant) -> Self::Timer {
        std::future::pending()
    }
}

extern crate std;

use core::convert::Infallible;
use core::future::{Pending, pending};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use ed25519_dalek::{Signer as _, SigningKey};
use embedded_io_async::{ErrorType, Read, Write};
use embedded_storage_async::nor_flash::{ErrorType as FlashErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use proptest::prelude::*;

use super::*;
use crate::http::Connection;
use crate::time::{Clock, Duration, Instant};

const PAGE: usize = 512;
const LAYOUT: Layout = Layout { a: 0..2_048, b: 2_048..4_096, state: 4_096..5_120 };
/// Three pages, the last of which is not full.
const LEN: usize = 1_100;

/// Flash in memory that insists on being erased before it is written.
#[derive(Clone)]
pub(super) struct Chip<const WRITE: usize> {
    bytes: Vec<u8>,
    /// A cell of which a bit stays 0.
    stuck: Option<usize>,
}

impl<const WRITE: usize> Chip<WRITE> {
    pub(super) fn new(pages: usize) -> Self {
        Self { bytes: vec![0xff; pages * PAGE], stuck: None }
    }

    fn check(&self, at: u32, len: usize, unit: usize) -> Result<(), NorFlashErrorKind> {
        let at = at as usize;
        if !at.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            return Err(NorFlashErrorKind::NotAligned);
        }
        if at + len > self.bytes.len() { Err(NorFlashErrorKind::OutOfBounds) } else { Ok(()) }
    }
}

impl<const WRITE: usize> FlashErrorType for Chip<WRITE> {
    type Error = NorFlashErrorKind;
}

impl<const WRITE: usize> ReadNorFlash for Chip<WRITE> {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.check(offset, bytes.len(), Self::READ_SIZE)?;
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WRITE: usize> NorFlash for Chip<WRITE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.check(from, (to - from) as usize, PAGE)?;
        self.bytes[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        self.check(offset, bytes.len(), WRITE)?;
        let cells = &mut self.bytes[offset as usize..][..bytes.len()];
        assert!(cells.iter().all(|cell| *cell == 0xff), "written twice at {offset}");
        cells.copy_from_slice(bytes);
        if let Some(at) = self.stuck {
            self.bytes[at] &= !1;
        }
        Ok(())
    }
}

/// Time that stands still.
#[derive(Clone, Copy)]
struct Still;

impl Clock for Still {
    type Timer = Pending<()>;

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn timer(&self, _: Instant) -> Pending<()> {
        pending()
    }
}

/// Runs a future that waits for nobody but itself.
fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..1_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("the future waits");
}

fn vendor() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn trust() -> Trust {
    Trust { key: PublicKey(vendor().verifying_key().to_bytes()), name: "lamp".parse().expect("a name") }
}

fn image(version: u16) -> Vec<u8> {
    (0..LEN).map(|at| (at * 31 + usize::from(version)) as u8).collect()
}

fn signed_by(key: &SigningKey, name: &str, version: u16, minimum: u16, image: &[u8]) -> Manifest {
    let (version, minimum) = (Version::new(version, 0, 0), Version::new(minimum, 0, 0));
    let mut manifest = Manifest::of(name.parse().expect("a name"), version, minimum, image).expect("an image");
    let text = manifest.signed_text().to_string();
    manifest.signature = Some(Signature(key.sign(text.as_bytes()).to_bytes()));
    manifest
}

fn manifest(version: u16, minimum: u16) -> Manifest {
    signed_by(&vendor(), "lamp", version, minimum, &image(version))
}

/// A board as it leaves the factory, with version 1.
fn board() -> Chip<8> {
    let mut chip = Chip::new(10);
    run(install(&mut chip, &LAYOUT, Slot::A, &manifest(1, 0), &image(1))).expect("it fits");
    chip
}

fn booted(chip: &mut Chip<8>, reset: Reset) -> Booted {
    run(boot(chip, &LAYOUT, &trust(), reset, 3)).expect("there is something to run")
}

fn updater(chip: &mut Chip<8>, running: Slot) -> Updater<&mut Chip<8>> {
    Updater::new(chip, LAYOUT, running).expect("a layout")
}

/// A server that hands out one resource.
struct Server {
    image: Vec<u8>,
    tag: &'static str,
    knows_ranges: bool,
    /// The bytes that it sends before the connection breaks.
    left: usize,
    asked: String,
    to_send: Vec<u8>,
    requests: Vec<String>,
}

impl Server {
    fn of(image: Vec<u8>) -> Self {
        let (asked, to_send, requests) = (String::new(), Vec::new(), Vec::new());
        Self { image, tag: "\"one\"", knows_ranges: true, left: usize::MAX, asked, to_send, requests }
    }

    fn answer(&mut self, request: &str) {
        let header = |name: &str| request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let same = header("If-Range").is_none_or(|tag| tag == self.tag);
        let range = header("Range").filter(|_| same && self.knows_ranges);
        let (tag, complete) = (self.tag, self.image.len());
        let (head, body) = match range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) {
            Some((first, _)) if first.parse::<usize>().is_ok_and(|first| first >= complete) => {
                (format!("416 No\r\nContent-Range: bytes */{complete}"), &[][..])
            }
            Some((first, last)) => {
                let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
                let last = last.min(complete - 1);
                let head = format!("206 Part\r\nETag: {tag}\r\nContent-Range: bytes {first}-{last}/{complete}");
                (head, &self.image[first..=last])
            }
            None => (format!("200 OK\r\nETag: {tag}"), &self.image[..]),
        };
        self.to_send = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        self.to_send.extend_from_slice(body);
        self.requests.push(request.into());
    }
}

impl ErrorType for Server {
    type Error = Infallible;
}

impl Read for Server {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        // In odd portions.
        let count = out.len().min(self.to_send.len()).min(self.left).min(97);
        out[..count].copy_from_slice(&self.to_send[..count]);
        self.to_send.drain(..count);
        self.left -= count;
        Ok(count)
    }
}

impl Write for Server {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.asked += core::str::from_utf8(bytes).expect("a request is text");
        if self.asked.ends_with("\r\n\r\n") {
            let request = core::mem::take(&mut self.asked);
            self.answer(&request);
        }
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

const SOURCE: Source<'_> =
    Source { host: "hub", target: "/firmware/lamp/2.0.0", pages: 1, patience: Duration::from_secs(5) };

/// Fetches over one connection until something else than a piece comes.
fn fetch_all(
    server: &mut Server,
    download: &mut Download,
    updater: &mut Updater<&mut Chip<8>>,
) -> Result<Fetched, FetchError<NorFlashErrorKind, Infallible>> {
    let mut buffer = [0; 256];
    let mut connection = Connection::new(server, &mut buffer);
    loop {
        match run(fetch(&mut connection, &SOURCE, download, updater, &Still))? {
            Fetched::Piece if connection.is_ready() => {}
            outcome => return Ok(outcome),
        }
    }
}

/// Takes a version all the way to its first try.
fn take(chip: &mut Chip<8>, version: u16, minimum: u16, running: Slot) {
    let mut updater = updater(chip, running);
    let mut download = run(updater.start(&manifest(version, minimum), &trust())).expect("it is taken");
    assert_eq!(fetch_all(&mut Server::of(image(version)), &mut download, &mut updater), Ok(Fetched::All));
    run(updater.finish(&mut download)).expect("it is whole");
}

#[test]
fn an_update_is_fetched_tried_and_kept_and_what_is_older_is_not_run_again() {
    let mut chip = board();
    let first = booted(&mut chip, Reset::Outside);
    assert_eq!((first.slot, first.on_trial, first.manifest.version), (Slot::A, false, Version::new(1, 0, 0)));
    take(&mut chip, 2, 2, Slot::A);
    assert!(!run(updater(&mut chip, Slot::A).status()).expect("readable").on_trial, "it waits for the boot");
    let second = booted(&mut chip, Reset::Program);
    assert_eq!((second.slot, second.on_trial, second.manifest.version), (Slot::B, true, Version::new(2, 0, 0)));
    let mut updater = updater(&mut chip, Slot::B);
    let status = run(updater.status()).expect("readable");
    assert_eq!(
        (status.version, status.on_trial, status.minimum),
        (Some(Version::new(2, 0, 0)), true, Version::default())
    );
    assert_eq!(run(updater.start(&manifest(3, 0), &trust())), Err(StartError::OnTrial));
    run(updater.confirm()).expect("kept");
    assert_eq!(
        run(updater.status()).map(|status| (status.on_trial, status.minimum)),
        Ok((false, Version::new(2, 0, 0)))
    );
    assert_eq!(run(updater.start(&manifest(1, 0), &trust())), Err(Refusal::Old.into()));
    assert_eq!(run(updater.start(&manifest(2, 2), &trust())), Err(Refusal::Running.into()));
    assert_eq!(booted(&mut chip, Reset::Program).slot, Slot::B);
    // What was confirmed rots, and what is left is too old.
    chip.bytes[2_048] ^= 1;
    let nothing = run(boot(&mut chip, &LAYOUT, &trust(), Reset::Outside, 3));
    assert_eq!(nothing, Err(BootError::Nothing { a: Unfit::Old, b: Unfit::Damaged }));
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let mut chip = board();
    let mut server = Server { left: 1_000, ..Server::of(image(2)) };
    let mut updater = updater(&mut chip, Slot::A);
    let mut download = run(updater.start(&manifest(2, 0), &trust())).expect("it is taken");
    assert!(matches!(fetch_all(&mut server, &mut download, &mut updater), Err(FetchError::Body(_))));
    assert_eq!(download.done() as usize, PAGE);
    // The power goes, too: it is all on the flash.
    let mut download = run(updater.start(&manifest(2, 0), &trust())).expect("it is taken");
    assert_eq!(download.done() as usize, PAGE);
    let mut server = Server::of(image(2));
    assert_eq!(fetch_all(&mut server, &mut download, &mut updater), Ok(Fetched::All));
    assert!(server.requests[0].contains("Range: bytes=512-1023\r\n"), "{}", server.requests[0]);
    assert!(server.requests[0].contains("If-Range: \"one\"\r\n"), "{}", server.requests[0]);
    assert!(server.requests[1].contains("Range: bytes=1024-1099\r\n"), "{}", server.requests[1]);
    assert_eq!(run(updater.finish(&mut download)), Ok(()));
}

#[test]
fn an_image_that_changed_midway_is_begun_anew() {
    for knows_ranges in [true, false] {
        let mut chip = board();
        let mut server = Server { left: 1_000, ..Server::of(image(2)) };
        let mut updater = updater(&mut chip, Slot::A);
        let mut download = run(updater.start(&manifest(2, 0), &trust())).expect("it is taken");
        fetch_all(&mut server, &mut download, &mut updater).expect_err("it breaks");
        let mut longer = image(3);
        longer.push(0);
        let mut server = Server { tag: "\"other\"", knows_ranges, ..Server::of(longer.clone()) };
        assert_eq!(fetch_all(&mut server, &mut download, &mut updater), Ok(Fetched::Changed));
        assert_eq!(download.done(), 0);
        let manifest = signed_by(&vendor(), "lamp", 3, 0, &longer);
        let mut download = run(updater.start(&manifest, &trust())).expect("it is taken");
        let mut server = Server { tag: "\"other\"", knows_ranges, ..Server::of(longer) };
        assert_eq!(fetch_all(&mut server, &mut download, &mut updater), Ok(Fetched::All));
        assert!(server.requests[0].contains("Range: bytes=0-511\r\n") && !server.requests[0].contains("If-Range"));
        assert_eq!(run(updater.finish(&mut download)), Ok(()));
    }
}

#[test]
fn a_server_without_ranges_or_with_weak_tags_will_do() {
    for (knows_ranges, tag) in [(false, "\"one\""), (true, "W/\"one\"")] {
        let mut chip = board();
        let mut updater = updater(&mut chip, Slot::A);
        let mut download = run(updater.start(&manifest(2, 0), &trust())).expect("it is taken");
        let mut server = Server { knows_ranges, tag, ..Server::of(image(2)) };
        assert_eq!(fetch_all(&mut server, &mut download, &mut updater), Ok(Fetched::All));
        assert!(server.requests.iter().all(|request| !request.contains("If-Range: W/")));
        assert_eq!(run(updater.finish(&mut download)), Ok(()));
    }
}

#[test]
fn what_is_not_for_this_device_is_refused() {
    let mut chip = board();
    let mut updater = updater(&mut chip, Slot::A);
    let mut start = |manifest: &Manifest| match run(updater.start(manifest, &trust())) {
        Err(StartError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let forged = signed_by(&stranger, "lamp", 2, 0, &image(2));
    assert_eq!(start(&forged), Refusal::Signature(SignatureError::Forged));
    assert_eq!(start(&Manifest { signature: None, ..forged }), Refusal::Signature(SignatureError::Unsigned));
    assert_eq!(start(&signed_by(&vendor(), "pump", 2, 0, &image(2))), Refusal::Name);
    assert_eq!(start(&signed_by(&vendor(), "lamp", 2, 0, &[1; 1_537])), Refusal::TooLong);
    assert_eq!(start(&manifest(1, 0)), Refusal::Running);
}

#[test]
fn what_comes_wrong_three_times_is_given_up() {
    let mut chip = board();
    let mut updater = updater(&mut chip, Slot::A);
    for damaged in 1..=3 {
        let mut download = run(updater.start(&manifest(2, 0), &trust())).expect("it is taken");
        fetch_all(&mut Server::of(image(3)), &mut download, &mut updater).expect("it is as long");
        let given_up = damaged == 3;
        assert_eq!(run(updater.finish(&mut download)), Err(FinishError::Damaged { given_up }));
        assert_eq!(run(updater.finish(&mut download)), Err(FinishError::Incomplete));
    }
    assert_eq!(run(updater.start(&manifest(2, 0), &trust())), Err(Refusal::GivenUp.into()));
    let given_up = run(updater.status()).expect("readable").given_up.expect("it was");
    assert_eq!((given_up.why, given_up.version, given_up.told), (Why::Damaged, Version::new(2, 0, 0), false));
    run(updater.told()).expect("kept");
    assert!(run(updater.status()).expect("readable").given_up.is_some_and(|given_up| given_up.told));
    assert!(!booted(&mut chip, Reset::Outside).on_trial);
}

#[test]
fn an_image_that_does_not_prove_itself_is_gone_back_from() {
    for (resets, why) in [
        (vec![Reset::Program, Reset::Program], Why::Faulted),
        (vec![Reset::Program, Reset::Outside, Reset::Outside, Reset::Program], Why::Faulted),
        (vec![Reset::Outside; 4], Why::Unsettled),
    ] {
        let mut chip = board();
        take(&mut chip, 2, 2, Slot::A);
        let (last, tries) = resets.split_last().expect("some");
        for reset in tries {
            assert!(booted(&mut chip, *reset).on_trial);
        }
        let back = booted(&mut chip, *last);
        assert_eq!((back.slot, back.on_trial), (Slot::A, false));
        let mut updater = updater(&mut chip, Slot::A);
        let status = run(updater.status()).expect("readable");
        assert_eq!(status.given_up.map(|given_up| given_up.why), Some(why));
        assert_eq!(status.minimum, Version::default(), "it was never confirmed");
        assert_eq!(run(updater.start(&manifest(2, 2), &trust())), Err(Refusal::GivenUp.into()));
        take(&mut chip, 3, 0, Slot::A);
        assert!(booted(&mut chip, Reset::Program).on_trial);
    }
}

#[test]
fn an_image_that_fails_its_test_says_so() {
    let mut chip = board();
    take(&mut chip, 2, 0, Slot::A);
    booted(&mut chip, Reset::Program);
    run(updater(&mut chip, Slot::B).give_up(Why::SelfTest)).expect("kept");
    assert_eq!(booted(&mut chip, Reset::Program).slot, Slot::A);
    let status = run(updater(&mut chip, Slot::A).status()).expect("readable");
    assert_eq!(status.given_up.map(|given_up| given_up.why), Some(Why::SelfTest));
}

#[test]
fn an_image_that_has_given_itself_up_does_not_overwrite_what_there_is_to_go_back_to() {
    let mut chip = board();
    take(&mut chip, 2, 0, Slot::A);
    booted(&mut chip, Reset::Program);
    let mut updater = updater(&mut chip, Slot::B);
    run(updater.give_up(Why::SelfTest)).expect("kept");
    assert_eq!(run(updater.start(&manifest(3, 0), &trust())), Err(StartError::OnTrial));
    assert_eq!(booted(&mut chip, Reset::Program).manifest, manifest(1, 0));
}

#[test]
fn a_slot_that_cannot_keep_a_manifest_is_not_filled_for_ever() {
    let mut chip = board();
    // The first letter of the kind, which is odd.
    chip.stuck = Some(4_096 - PAGE);
    let mut updater = updater(&mut chip, Slot::A);
    for damaged in 1..=3 {
        let mut download = run(updater.start(&manifest(2, 0), &trust())).expect("it is taken");
        fetch_all(&mut Server::of(image(2)), &mut download, &mut updater).expect("it comes");
        assert_eq!(run(updater.finish(&mut download)), Err(FinishError::Damaged { given_up: damaged == 3 }));
    }
    assert_eq!(run(updater.start(&manifest(2, 0), &trust())), Err(Refusal::GivenUp.into()));
}

#[test]
fn a_first_update_that_the_power_interrupts_at_its_end_has_to_prove_itself_be_it_older() {
    let mut chip = Chip::new(10);
    run(install(&mut chip, &LAYOUT, Slot::A, &manifest(2, 0), &image(2))).expect("it fits");
    let mut downloading = chip.clone();
    {
        let mut updater = updater(&mut downloading, Slot::A);
        let mut download = run(updater.start(&manifest(1, 0), &trust())).expect("it is taken");
        fetch_all(&mut Server::of(image(1)), &mut download, &mut updater).expect("it comes");
    }
    take(&mut chip, 1, 0, Slot::A);
    // The manifest is in its slot, and that it is to be tried is not on the flash yet.
    chip.bytes[4_096..].copy_from_slice(&downloading.bytes[4_096..]);
    let first = booted(&mut chip, Reset::Outside);
    assert_eq!((first.slot, first.on_trial, first.manifest.version), (Slot::B, true, Version::new(1, 0, 0)));
    assert_eq!(booted(&mut chip, Reset::Program).slot, Slot::A);
}

#[test]
fn what_rots_before_it_is_tried_is_not_tried() {
    let mut chip = board();
    take(&mut chip, 2, 0, Slot::A);
    chip.bytes[2_048 + 1_099] ^= 4;
    assert_eq!(booted(&mut chip, Reset::Program).slot, Slot::A);
    let status = run(updater(&mut chip, Slot::A).status()).expect("readable");
    assert_eq!(status.given_up.map(|given_up| given_up.why), Some(Why::Invalid));
}

#[test]
fn a_board_whose_state_is_lost_tries_the_newer_image() {
    let mut chip = board();
    take(&mut chip, 2, 0, Slot::A);
    booted(&mut chip, Reset::Program);
    run(updater(&mut chip, Slot::B).confirm()).expect("kept");
    chip.bytes[4_096..].fill(0x55);
    let newer = booted(&mut chip, Reset::Outside);
    assert_eq!((newer.slot, newer.on_trial), (Slot::B, true));
    assert_eq!(booted(&mut chip, Reset::Program).slot, Slot::A);
}

#[test]
fn what_waits_to_be_tried_gives_way_to_what_is_newer() {
    let mut chip = board();
    take(&mut chip, 2, 0, Slot::A);
    {
        let mut updater = updater(&mut chip, Slot::A);
        let mut download = run(updater.start(&manifest(3, 0), &trust())).expect("it is taken");
        let mut server = Server { left: 900, ..Server::of(image(3)) };
        fetch_all(&mut server, &mut download, &mut updater).expect_err("it breaks");
    }
    assert_eq!(booted(&mut chip, Reset::Outside).slot, Slot::A);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens to the flash, nothing is started that was not signed, and no byte of it is another.
    #[test]
    fn nothing_is_started_that_does_not_verify(
        trial: bool, confirmed: bool, rot in prop::collection::vec((0..5_120_usize, any::<u8>()), 0..12), program: bool,
    ) {
        let mut chip = board();
        if trial {
            take(&mut chip, 2, 2, Slot::A);
            if confirmed {
                booted(&mut chip, Reset::Program);
                run(updater(&mut chip, Slot::B).confirm()).expect("kept");
            }
        }
        for (at, byte) in rot {
            chip.bytes[at] = byte;
        }
        let reset = if program { Reset::Program } else { Reset::Outside };
        if let Ok(booted) = run(boot(&mut chip, &LAYOUT, &trust(), reset, 3)) {
            let start = LAYOUT.slot(booted.slot).start as usize;
            let version = booted.manifest.version.major;
            prop_assert_eq!(&chip.bytes[start..][..LEN], &image(version)[..]);
            let mut updater = updater(&mut chip, booted.slot);
            let status = run(updater.status()).expect("readable");
            prop_assert!(booted.manifest.version >= status.minimum);
            run(updater.confirm()).expect("kept");
            let _ = run(updater.start(&manifest(3, 0), &trust()));
        }
    }

    #[test]
    fn a_flash_of_anything_is_no_reason_to_panic(bytes in prop::collection::vec(any::<u8>(), 5_120)) {
        let mut chip = Chip::<8> { bytes, stuck: None };
        prop_assert!(run(boot(&mut chip, &LAYOUT, &trust(), Reset::Outside, 3)).is_err());
    }
}

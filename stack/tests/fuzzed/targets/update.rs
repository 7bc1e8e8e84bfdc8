//! Manifests, slots that hold anything, a state that says anything, and what a server says of an image.

use ed25519_dalek::{Signer as _, SigningKey};
use wavetank_stack::Duration;
use wavetank_stack::http::Connection;
use wavetank_stack::update::{
    Error, FetchError, Layout, Manifest, PublicKey, Reset, Signature, Slot, Source, StartError, Trust, Updater,
    Version, Why, boot, fetch, install,
};

use super::chip::Chip;
use super::hand::Hand;
use super::script::{Script, Still, run};

const LAYOUT: Layout = Layout { a: 0..2_048, b: 2_048..4_096, state: 4_096..5_120 };
const LEN: usize = 1_100;

fn vendor() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn image(version: u16) -> Vec<u8> {
    (0..LEN).map(|at| (at * 31 + usize::from(version)) as u8).collect()
}

fn manifest(version: u16) -> Manifest {
    let own = Version::new(version, 0, 0);
    let mut manifest = Manifest::of("lamp".parse().unwrap(), own, Version::new(1, 0, 0), &image(version)).unwrap();
    let text = manifest.signed_text().to_string();
    manifest.signature = Some(Signature(vendor().sign(text.as_bytes()).to_bytes()));
    manifest
}

/// The first byte: how much is scribbled over what a factory left, whether the state is believed, and how the board was reset.
/// The rest is the server's.
pub fn send(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(manifest.text().as_bytes(), bytes, "there is one way to write it");
    }
    let mut hand = Hand(bytes);
    let Some(first) = hand.byte() else { return };
    let mut chip = Chip::new(10);
    let trust = Trust { key: PublicKey(vendor().verifying_key().to_bytes()), name: "lamp".parse().unwrap() };
    run(install(&mut chip, &LAYOUT, Slot::A, &manifest(1), &image(1))).unwrap();
    chip.scribble(&mut hand, first & 7);
    if first & 8 != 0 {
        (8..10).for_each(|page| chip.vouch(page));
    }
    let reset = if first & 16 == 0 { Reset::Outside } else { Reset::Program };
    let Ok(booted) = run(boot(&mut chip, &LAYOUT, &trust, reset, 3)) else { return };
    assert_eq!(booted.manifest.verify(&trust.key), Ok(()));
    let start = LAYOUT.slot(booted.slot).start as usize;
    assert!(booted.manifest.is_of(&chip.bytes[start..start + booted.manifest.length as usize]), "it was verified");
    run(go_on(chip, booted.slot, &trust, Script::new(hand.0, first >> 5)));
}

/// The firmware that was started finds out how things are, and takes the next image.
async fn go_on(mut chip: Chip, running: Slot, trust: &Trust, server: Script<'_>) {
    let mut updater = Updater::new(&mut chip, LAYOUT, running).unwrap();
    let status = updater.status().await.map_err(|error| is_room(&error)).ok();
    if status.is_some_and(|status| status.on_trial) {
        let _ = updater.give_up(Why::Faulted).await.map_err(|error| is_room(&error));
        return;
    }
    let _ = (
        updater.told().await.map_err(|error| is_room(&error)),
        updater.confirm().await.map_err(|error| is_room(&error)),
    );
    let next = manifest(2);
    let mut download = match updater.start(&next, trust).await {
        Ok(download) => download,
        Err(StartError::Store(error)) => return is_room(&error),
        Err(_) => return,
    };
    let mut buffer = [0; 512];
    let mut connection = Connection::new(server, &mut buffer);
    let source = Source { host: "hub.lan", target: "/lamp", pages: 1, patience: Duration::from_secs(10) };
    for _ in 0..8 {
        match fetch(&mut connection, &source, &mut download, &mut updater, &Still).await {
            Err(FetchError::Store(error)) => return is_room(&error),
            Err(_) => break,
            Ok(_) => assert!(download.done() <= next.length),
        }
    }
    let _ = updater.finish(&mut download).await;
    let booted = boot(&mut chip, &LAYOUT, trust, Reset::Outside, 3).await;
    assert!(booted.is_ok(), "there is something to start: {booted:?}");
}

/// A state that somebody else has filled has no room: nothing else can go wrong.
fn is_room<E: std::fmt::Debug>(error: &Error<E>) {
    assert!(matches!(error, Error::State(wavetank_stack::storage::Error::Full)), "{error:?}");
}

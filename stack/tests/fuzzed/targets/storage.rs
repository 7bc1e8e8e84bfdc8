//! Stores over flash that holds anything.

use wavetank_stack::storage::{Error, Key, KeyValue, Spool};

use super::chip::{Chip, PAGE};
use super::hand::Hand;
use super::script::run;

/// The first byte: whose pages' checksums are right, and for which store; then what is on the flash.
pub fn send(bytes: &[u8]) {
    let mut hand = Hand(bytes);
    let Some(first) = hand.byte() else { return };
    let mut chip = Chip::new(4);
    chip.scribble(&mut hand, u8::MAX);
    for page in 0..4 {
        if first >> page & 1 == 1 {
            chip.vouch(page);
        }
    }
    if first & 0x80 == 0 { run(spool(chip)) } else { run(key_value(chip)) }
}

/// What the flash says of itself is not the store's fault; everything else would be.
fn may_fail<T, E: std::fmt::Debug>(outcome: Result<T, Error<E>>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(Error::Full | Error::BufferTooSmall { .. } | Error::Unknown) => None,
        Err(error) => panic!("{error:?}"),
    }
}

async fn spool(mut chip: Chip) {
    let range = 0..4 * PAGE as u32;
    let mut buffer = [0; PAGE];
    let pushed = {
        let mut spool = Spool::new(&mut chip, range.clone()).unwrap();
        let (mut after, mut count) = (0, 0_u64);
        while let Some(Some(record)) = may_fail(spool.next_after(after, &mut buffer).await) {
            assert!(record.id > after && record.len <= PAGE);
            (after, count) = (record.id, count + 1);
        }
        let waiting = may_fail(spool.waiting().await).unwrap();
        assert!(count <= waiting, "{count} of {waiting}");
        let _ = may_fail(spool.last(&mut buffer).await);
        let pushed = may_fail(spool.push(b"tide").await);
        if let Some(id) = pushed {
            let read = may_fail(spool.next_after(id - 1, &mut buffer).await).unwrap();
            assert_eq!(read.map(|read| (read.id, &buffer[..read.len])), Some((id, &b"tide"[..])));
        }
        pushed
    };
    let mut spool = Spool::new(&mut chip, range).unwrap();
    if let Some(id) = pushed {
        let last = may_fail(spool.last(&mut buffer).await).unwrap().expect("what was kept is there");
        assert_eq!((last.id, &buffer[..last.len]), (id, &b"tide"[..]));
        assert!(may_fail(spool.waiting().await).unwrap() > 0);
        may_fail(spool.acknowledge(id).await).unwrap();
        assert_eq!(may_fail(spool.waiting().await), Some(0));
    }
    for _ in 0..24 {
        let Some(id) = may_fail(spool.push(&[7; 60]).await) else { break };
        may_fail(spool.acknowledge(id).await).unwrap();
    }
}

async fn key_value(mut chip: Chip) {
    let range = 0..4 * PAGE as u32;
    let mut buffer = [0; PAGE];
    let set = {
        let mut store = KeyValue::new(&mut chip, range.clone()).unwrap();
        for key in 0..4 {
            let _ = may_fail(store.get(Key(key), &mut buffer).await);
        }
        may_fail(store.set(Key(1), b"tide").await).is_some()
    };
    let mut store = KeyValue::new(&mut chip, range).unwrap();
    if set {
        let len = may_fail(store.get(Key(1), &mut buffer).await).unwrap().expect("what was kept is there");
        assert_eq!(&buffer[..len], b"tide");
    }
    let _ = may_fail(store.remove(Key(0)).await);
    for turn in 0..20_u8 {
        if may_fail(store.set(Key(2), &[turn; 60]).await).is_none() {
            break;
        }
        assert_eq!(may_fail(store.get(Key(2), &mut buffer).await), Some(Some(60)));
        assert_eq!(buffer[0], turn);
        if set {
            assert_eq!(may_fail(store.get(Key(1), &mut buffer).await), Some(Some(4)), "others stay");
        }
    }
}

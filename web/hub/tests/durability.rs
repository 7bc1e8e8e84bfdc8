//! What was acknowledged outlives the hub, and the power.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};
use serde_json::json;
use support::server::Clock;
use support::{Asked, reading};
use wavetank_hub::{Config, RedbStore, Shelf, Store as _};

/// A disk whose power can be cut: what was not synced is gone.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Bytes>>);

#[derive(Debug, Default)]
struct Bytes {
    written: Vec<u8>,
    synced: Vec<u8>,
    /// How many were read of it.
    read: usize,
}

impl Disk {
    fn after_a_power_cut(&self) -> Self {
        let synced = self.0.lock().unwrap().synced.clone();
        Self(Arc::new(Mutex::new(Bytes { written: synced.clone(), synced, read: 0 })))
    }

    fn hub(&self) -> Asked {
        let database = Database::builder().create_with_backend(self.clone()).unwrap();
        Asked::of(RedbStore::open(database).unwrap(), &Clock::new(), Config::default())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().written.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = offset as usize;
        let mut bytes = self.0.lock().unwrap();
        bytes.read += out.len();
        out.copy_from_slice(bytes.written.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().written.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        bytes.synced = bytes.written.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = offset as usize;
        let mut bytes = self.0.lock().unwrap();
        bytes.written.get_mut(start..start + data.len()).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        Ok(())
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let disk = Disk::default();
    let hub = disk.hub();
    for sequence in 1..=20 {
        assert_eq!(hub.post(&reading("a", sequence)).status, 201);
        let after = disk.after_a_power_cut().hub();
        assert_eq!(after.get("/devices/a").body["last_sequence"], sequence);
        assert_eq!(after.get("/devices/a").body["count"], sequence);
        assert_eq!(after.post(&reading("a", sequence)).status, 200);
        let health = format!(r#"{{"life":{sequence},"cause":"power-on","up_ms":1}}"#);
        let told = http::Request::post("/devices/a/health").header("content-type", "application/json");
        assert_eq!(hub.ask(told.body(health).unwrap()).status, 204);
        let known = disk.after_a_power_cut().hub().get("/devices/a/health").body;
        assert_eq!(
            (&known["report"]["life"], known["restarts"]["power-on"].as_u64()),
            (&sequence.into(), (sequence > 1).then(|| sequence - 1))
        );
    }
}

#[test]
fn a_hub_opened_again_knows_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.redb");
    let open = || {
        let store = RedbStore::open(Database::create(&path).unwrap()).unwrap();
        Asked::of(store, &Clock::new(), Config::default())
    };
    let hub = open();
    hub.post(&json!([reading("a", 1), reading("a", 2), reading("b", 7)]));
    let weather =
        json!({ "device": "a", "sequence": 3, "at_ms": 1, "quantities": { "air_pressure_pascal": 101_325_000 } });
    assert_eq!(hub.post(&weather).status, 201);
    let before = (hub.get("/devices").body, hub.get("/devices/a/readings").body);
    drop(hub);
    let hub = open();
    assert_eq!((hub.get("/devices").body, hub.get("/devices/a/readings").body), before);
    assert_eq!(hub.witness.told(), ["known 2", "online 2"]);
    assert_eq!(hub.post(&reading("b", 7)).status, 200);
    assert_eq!(hub.post(&weather).status, 200);
    assert_eq!(hub.post(&reading("b", 8)).status, 201);
}

#[test]
fn a_part_of_a_long_document_costs_its_length() {
    const IMAGE_BYTES: usize = 3_000_000;
    let disk = Disk::default();
    // Nothing is remembered, so that each read is seen.
    let open = |disk: &Disk| {
        RedbStore::open(Database::builder().set_cache_size(0).create_with_backend(disk.clone()).unwrap()).unwrap()
    };
    let image: Vec<u8> = (0..IMAGE_BYTES).map(|n| (n % 251) as u8).collect();
    let store = open(&disk);
    store.keep(Shelf::Images, "t/1.0.0", Some(b"short")).unwrap();
    store.keep(Shelf::Images, "t/1.0.1", Some(&image)).unwrap();
    store.keep(Shelf::Images, "t/1.0.2", Some(b"")).unwrap();
    drop(store);
    let store = open(&disk.after_a_power_cut());
    let names = |store: &RedbStore| -> Vec<(String, usize)> {
        let documents = store.documents(Shelf::Images, "t/").unwrap();
        documents.into_iter().map(|(name, document)| (name, document.len())).collect()
    };
    let all = [("t/1.0.0".into(), 5), ("t/1.0.1".into(), IMAGE_BYTES), ("t/1.0.2".into(), 0)];
    assert_eq!(names(&store), all, "in the order of their names, whatever they are kept in");
    assert_eq!(store.document(Shelf::Images, "t/1.0.1").unwrap(), Some(image.clone()));
    let part = |name, first, count| store.part(Shelf::Images, name, first, count).unwrap();
    for (first, count) in
        [(0, 1), (65_000, 100), (1_000_000, 4_096), (65_023, 65_026), (2_999_999, 1), (0, IMAGE_BYTES)]
    {
        assert_eq!(
            part("t/1.0.1", first as u64, count).as_deref(),
            Some(&image[first..first + count]),
            "{first} {count}"
        );
    }
    assert_eq!(part("t/1.0.1", 2_999_999, 10).as_deref(), Some(&image[2_999_999..]));
    assert_eq!(part("t/1.0.1", 3_000_000, 10).as_deref(), Some(&[][..]));
    assert_eq!(part("t/1.0.1", u64::MAX, usize::MAX).as_deref(), Some(&[][..]));
    assert_eq!(part("t/1.0.1", 5, 0).as_deref(), Some(&[][..]));
    assert_eq!(part("t/1.0.1", 65_024, 0).as_deref(), Some(&[][..]));
    assert_eq!(part("t/1.0.0", 1, 3).as_deref(), Some(&b"hor"[..]));
    assert_eq!((part("t/1.0", 0, 1), part("t/1.0.10", 0, 1)), (None, None));

    let disk = disk.after_a_power_cut();
    let store = open(&disk);
    let before = disk.0.lock().unwrap().read;
    assert_eq!(store.part(Shelf::Images, "t/1.0.1", 1_500_000, 4_096).unwrap().unwrap().len(), 4_096);
    let read = disk.0.lock().unwrap().read - before;
    assert!(read < 300_000, "{read} bytes for 4,096 of {IMAGE_BYTES}");

    store.keep(Shelf::Images, "t/1.0.1", Some(b"shorter now")).unwrap();
    store.keep(Shelf::Images, "t/1.0.0", None).unwrap();
    assert_eq!(names(&store), [("t/1.0.1".into(), 11), ("t/1.0.2".into(), 0)]);
    assert_eq!(store.document(Shelf::Images, "t/1.0.1").unwrap().as_deref(), Some(&b"shorter now"[..]));
    store.keep(Shelf::Images, "t/1.0.1", Some(&image)).unwrap();
    store.keep(Shelf::Images, "t/1.0.1", None).unwrap();
    assert_eq!(store.document(Shelf::Images, "t/1.0.1").unwrap(), None);
}

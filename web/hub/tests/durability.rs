//! What was acknowledged outlives the hub, and the power.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};
use serde_json::json;
use support::server::Clock;
use support::{Asked, reading};
use wavetank_hub::{Config, RedbStore};

/// A disk whose power can be cut: what was not synced is gone.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Bytes>>);

#[derive(Debug, Default)]
struct Bytes {
    written: Vec<u8>,
    synced: Vec<u8>,
}

impl Disk {
    fn after_a_power_cut(&self) -> Self {
        let synced = self.0.lock().unwrap().synced.clone();
        Self(Arc::new(Mutex::new(Bytes { written: synced.clone(), synced })))
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
        let bytes = self.0.lock().unwrap();
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

//! The disk: what a power cut may take and what it may not, and redb through many of them.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use wavetank_sim::disk::{Cost, Disk, File, Meter, Operation, RedbBackend, Spec};
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::hw::Ailment;
use wavetank_sim::node::{Charge, Exit, Node, NodeSpec};
use wavetank_sim::time::Instant;
use wavetank_sim::world::{World, WorldConfig};

const FLUSH_NS: u64 = 1_000_000;

fn disk() -> (Disk, Arc<Meter>) {
    let meter = Arc::new(Meter::new());
    (Disk::new(Spec::default(), meter.clone()), meter)
}

fn read(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

fn stream(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// What is left, over many seeds, when the power fails at `cut_ns` after `story`.
fn left_after(cut_ns: u64, story: impl Fn(&Disk)) -> BTreeMap<Vec<u8>, u32> {
    let mut left = BTreeMap::new();
    for seed in 0..200 {
        let (disk, _) = disk();
        story(&disk);
        disk.cut(cut_ns, &mut stream(seed));
        *left.entry(read(&disk.open("file"))).or_default() += 1;
    }
    left
}

#[test]
fn what_was_synced_stays_and_what_was_not_may_not() {
    let left = left_after(FLUSH_NS + 100_000, |disk| {
        let file = disk.open("file");
        file.write_at(0, b"durable").unwrap();
        file.sync().unwrap();
        file.write_at(0, b"cached!").unwrap();
    });
    let states: Vec<_> = left.keys().map(Vec::as_slice).collect();
    assert_eq!(states, [b"cached!", b"durable"], "{left:?}");
}

#[test]
fn a_sync_under_way_promises_nothing() {
    let left = left_after(FLUSH_NS / 2, |disk| {
        let file = disk.open("file");
        file.write_at(0, b"early").unwrap();
        file.sync().unwrap();
        file.write_at(0, b"never").unwrap();
        file.sync().unwrap();
    });
    let states: Vec<_> = left.keys().map(Vec::as_slice).collect();
    assert_eq!(states, [&b""[..], &[0; 5][..], b"early"], "{left:?}");
}

#[test]
fn pages_are_lost_apart_and_torn_at_sectors() {
    let left = left_after(2 * FLUSH_NS, |disk| {
        let file = disk.open("file");
        file.write_at(0, &[1; 8_192]).unwrap();
        file.sync().unwrap();
        file.write_at(0, &[2; 8_192]).unwrap();
    });
    let mixed_in = |unit: usize| {
        let torn = |bytes: &Vec<u8>| bytes.chunks(unit).any(|unit| unit.contains(&1) && unit.contains(&2));
        left.keys().any(torn)
    };
    assert!(mixed_in(8_192) && mixed_in(4_096) && !mixed_in(512));
}

#[test]
fn an_open_file_dies_with_the_power() {
    let (disk, _) = disk();
    let file = disk.open("file");
    file.sync().unwrap();
    disk.cut(u64::MAX, &mut stream(1));
    assert!(file.write_at(0, b"ghost").unwrap_err().to_string().contains("program that is dead"));
    assert_eq!(disk.open("file").len().unwrap(), 0);
    assert_eq!(disk.counts().cuts, 1);
}

#[test]
fn a_crash_keeps_the_cache_but_nothing_from_the_future() {
    let (disk, meter) = disk();
    let file = disk.open("file");
    for byte in 0..10 {
        file.write_at(0, &[byte; 3]).unwrap();
        meter.busy(Duration::from_nanos(10));
    }
    disk.open("later");
    disk.crash(45);
    assert_eq!(disk.names(), ["file"]);
    assert!(file.sync().is_err());
    let file = disk.open("file");
    assert_eq!(read(&file), [4; 3]);
    file.sync().unwrap();
    disk.cut(u64::MAX, &mut stream(1));
    assert_eq!(read(&disk.open("file")), [4; 3]);
}

#[test]
fn rewriting_a_page_without_end_takes_no_memory() {
    let (disk, meter) = disk();
    let file = disk.open("file");
    for now_ns in 0..50_000 {
        // As with a CPU so slow that every poll starts in debt.
        meter.start_poll(now_ns);
        meter.busy(Duration::from_nanos(1));
        file.write_at(now_ns, &[1]).unwrap();
    }
    disk.crash(50_000);
    assert_eq!(read(&disk.open("file")), [1; 50_000]);
}

#[test]
fn a_name_that_was_never_synced_can_vanish() {
    let vanished = |seed: &u64| {
        let (disk, _) = disk();
        disk.open("file").write_at(0, b"x").unwrap();
        disk.cut(1, &mut stream(*seed));
        !disk.contains("file")
    };
    let count = (0..200).filter(vanished).count();
    assert!((20..80).contains(&count), "{count}");
}

#[test]
fn a_full_disk_and_a_failing_one_say_so_and_change_nothing() {
    let (disk, meter) = disk();
    disk.set_spec(Spec { capacity_bytes: 8_192, ..Spec::default() });
    let file = disk.open("file");
    file.set_len(1 << 40).unwrap();
    file.write_at(1 << 30, &[1; 4_096]).unwrap();
    assert_eq!(file.write_at(4_095, &[2; 2]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.write_at(4_094, &[2; 2]).unwrap();
    assert_eq!(disk.used_bytes(), 8_192);
    file.set_len(4_095).unwrap();
    assert_eq!(disk.used_bytes(), 4_096);
    file.set_len(4_096).unwrap();
    let mut last = [9; 2];
    file.read_at(4_094, &mut last).unwrap();
    assert_eq!(last, [2, 0]);
    assert_eq!(file.read_at(4_096, &mut [0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

    disk.fail_next(Operation::Sync, 1);
    file.sync().unwrap_err();
    assert_eq!(meter.take_debt(), Duration::from_nanos(FLUSH_NS + 8_192));
    file.sync().unwrap();
    assert_eq!(disk.counts().errors, 2);
}

proptest! {
    /// Against a plain vector: the cache is a file like any other, and once everything is synced a cut takes nothing.
    #[test]
    fn reads_what_was_written_and_keeps_what_was_synced(
        seed: u64,
        steps in proptest::collection::vec((0..20_000_u64, 0..9_000_usize, any::<u8>(), 0..4_u8), 1..20),
    ) {
        let (disk, meter) = disk();
        let file = disk.open("file");
        let mut expected = Vec::new();
        for (offset, length, byte, kind) in steps {
            let end = usize::try_from(offset).unwrap() + length;
            match kind {
                0 => {
                    file.set_len(offset).unwrap();
                    expected.resize(usize::try_from(offset).unwrap(), 0);
                }
                1 => file.sync().unwrap(),
                _ => {
                    file.write_at(offset, &vec![byte; length]).unwrap();
                    if length > 0 {
                        expected.resize(expected.len().max(end), 0);
                        expected[end - length..end].fill(byte);
                    }
                }
            }
            prop_assert!(read(&file) == expected);
        }
        file.sync().unwrap();
        disk.cut(meter.debt_ns(), &mut stream(seed));
        prop_assert!(read(&disk.open("file")) == expected);
    }
}

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("readings");

type Rows = BTreeMap<u64, Vec<u8>>;

/// Opens the database. redb refuses a file that its creation has not come to the end of, so whoever uses it has to begin
/// anew then; once a creation has been seen to end, nothing excuses a database that does not open.
fn open(disk: &Disk, created: bool) -> Database {
    let file = disk.open("hub.redb");
    let attempt = || redb::Builder::new().create_with_backend(RedbBackend::new(file.clone()));
    attempt().unwrap_or_else(|refusal| {
        assert!(!created, "whatever a power cut leaves can be opened: {refusal}");
        file.set_len(0).unwrap();
        attempt().unwrap()
    })
}

fn rows(database: &Database) -> Rows {
    let Ok(table) = database.begin_read().unwrap().open_table(TABLE) else {
        return Rows::new();
    };
    let row = |row: Result<(redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &[u8]>), _>| {
        let (key, value) = row.unwrap();
        (key.value(), value.value().to_vec())
    };
    table.iter().unwrap().map(row).collect()
}

/// One transaction, as the stream has it, on the database and on what the database should hold.
fn transact(database: &Database, rows: &mut Rows, stream: &mut impl Rng) {
    let mut transaction = database.begin_write().unwrap();
    transaction.set_two_phase_commit(stream.next_u32().is_multiple_of(4));
    transaction.set_quick_repair(stream.next_u32().is_multiple_of(4));
    {
        let mut table = transaction.open_table(TABLE).unwrap();
        for _ in 0..1 + stream.next_u32() % 4 {
            let key = u64::from(stream.next_u32() % 64);
            if stream.next_u32().is_multiple_of(4) {
                table.remove(key).unwrap();
                rows.remove(&key);
            } else {
                let mut value = vec![0; usize::try_from(stream.next_u32() % 3_000).unwrap()];
                stream.fill_bytes(&mut value);
                table.insert(key, value.as_slice()).unwrap();
                rows.insert(key, value);
            }
        }
    }
    transaction.commit().unwrap();
}

/// redb, again and again: it is opened, there are some transactions, the power fails (or only the program) at any instant
/// of all that. Every transaction whose commit had returned by then is there afterwards, and none in part.
fn redb_through_power_cuts(cuts: u64, seed: u64) -> Disk {
    let stream = &mut stream(seed);
    let (disk, meter) = disk();
    // What may be found when the database is opened next.
    let mut possible = vec![Rows::new()];
    let mut created = false;
    for cut in 0..cuts {
        let now_ns = cut * 3_600_000_000_000;
        meter.start_poll(now_ns);
        let database = open(&disk, created);
        let found = rows(&database);
        assert!(possible.contains(&found), "seed {seed}, cut {cut}: this no transaction that may be the last has left");

        let opened_ns = meter.debt_ns();
        let mut states = vec![(opened_ns, found)];
        for _ in 0..stream.next_u32() % 6 {
            let mut rows = states.last().unwrap().1.clone();
            transact(&database, &mut rows, stream);
            states.push((meter.debt_ns(), rows));
        }
        let still_open = if stream.next_u32().is_multiple_of(4) { None } else { Some(database) };

        let cut_after_ns = stream.next_u64() % (meter.debt_ns() + FLUSH_NS);
        if stream.next_u32().is_multiple_of(8) {
            disk.crash(now_ns + cut_after_ns);
        } else {
            disk.cut(now_ns + cut_after_ns, stream);
        }
        drop(still_open);

        // What was found counts as promised once the database was open.
        let promised = states.iter().rposition(|(returned_ns, _)| *returned_ns <= cut_after_ns);
        if let Some(promised) = promised {
            created = true;
            possible.clear();
            states.drain(..promised);
        }
        possible.extend(states.into_iter().map(|(_, rows)| rows));
    }
    disk
}

#[test]
fn redb_keeps_every_commit_through_power_cuts() {
    let cuts = if cfg!(debug_assertions) { 300 } else { 3_000 };
    redb_through_power_cuts(cuts, 1);
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    let [one, other] = [1, 1].map(|seed| {
        let disk = redb_through_power_cuts(20, seed);
        (disk.counts(), read(&disk.open("hub.redb")))
    });
    assert!(one == other);
}

/// What the database may be found to hold.
#[derive(Default)]
struct Ledger {
    /// One of these.
    possible: Vec<Rows>,
    created: bool,
    boots: u32,
    commits: u32,
}

/// One life of a program that keeps a database: it looks what is there, and changes it a few times. What a commit has
/// promised counts once its node has paid for the time that it took.
async fn keep_a_database(node: &Node, disk: &Disk, ledger: &RefCell<Ledger>) -> Result<(), redb::Error> {
    let paid = || node.clock().timer(node.clock().now() + Duration::from_nanos(1));
    let file = disk.open("hub.redb");
    let attempt = || redb::Builder::new().create_with_backend(RedbBackend::new(file.clone()));
    let database = match attempt() {
        // The power may be failing, and then no error says anything about the file.
        Err(_) if file.len().is_ok() && !ledger.borrow().created => {
            file.set_len(0)?;
            attempt()?
        }
        other => other?,
    };
    let mut rows = Rows::new();
    let reading = database.begin_read()?;
    if let Ok(table) = reading.open_table(TABLE) {
        for row in table.iter()? {
            let (key, value) = row?;
            rows.insert(key.value(), value.value().to_vec());
        }
    }
    drop(reading);
    assert!(ledger.borrow().possible.contains(&rows), "boot {}: no commit has left this", ledger.borrow().boots);
    paid().await;
    *ledger.borrow_mut() = Ledger { possible: vec![rows.clone()], created: true, ..ledger.take() };
    let stream = &mut node.stream("transactions");
    for _ in 0..3 {
        let mut transaction = database.begin_write()?;
        transaction.set_two_phase_commit(stream.next_u32().is_multiple_of(4));
        transaction.set_quick_repair(stream.next_u32().is_multiple_of(4));
        let key = u64::from(stream.next_u32() % 32);
        let value = vec![stream.next_u32() as u8; stream.below(400) as usize];
        transaction.open_table(TABLE)?.insert(key, value.as_slice())?;
        rows.insert(key, value);
        ledger.borrow_mut().possible.push(rows.clone());
        transaction.commit()?;
        paid().await;
        let mut ledger = ledger.borrow_mut();
        ledger.possible = vec![rows.clone()];
        ledger.commits += 1;
    }
    Ok(())
}

/// Every life ends in the midst of an operation of its disk: the first of them, the second, and so on in turn.
#[test]
fn redb_keeps_every_commit_through_ten_thousand_cuts_at_chosen_operations() {
    const LIVES: u64 = 11_000;
    const LIFE_NS: u64 = 1_000_000_000;
    let (ledger, disk) = (Rc::new(RefCell::new(Ledger::default())), Disk::new(Spec::default(), Charge));
    ledger.borrow_mut().possible.push(Rows::new());
    let mut world = World::new(&WorldConfig { seed: 5, ..WorldConfig::default() });
    let (told, kept) = (Rc::clone(&ledger), disk.clone());
    let node = world.add_node(NodeSpec::named("hub"), move |node| {
        let (ledger, disk) = (Rc::clone(&told), kept.clone());
        async move {
            ledger.borrow_mut().boots += 1;
            // An error is the failing power's: nothing else fails here, and the next life looks at what it left.
            let _ = keep_a_database(&node, &disk, &ledger).await;
            Exit::Halt
        }
    });
    world.add_powered(node, Rc::new(disk.clone()));
    world.add_part(node, "disk", Rc::new(disk.clone()));
    for life in 0..LIVES {
        let at = |ns: u64| Instant::from_nanos(life * LIFE_NS + ns);
        let operation = [Some(Operation::Write), Some(Operation::Sync), None][(life % 3) as usize];
        let most = if operation == Some(Operation::Sync) { 9 } else { 30 };
        let ailment = Ailment::DiskCut { operation, nth: 1 + life / 3 % most, off_ns: 1 };
        let kind = FaultKind::Part { node, part: "disk".to_owned(), ailment };
        world.add_fault(Fault { at: at(0), duration: Some(Duration::from_nanos(LIFE_NS / 2)), kind });
        // A life whose operations were too few ends as well. The next boots when its own fault has begun.
        let duration = Some(Duration::from_nanos(1_000));
        world.add_fault(Fault { at: at(LIFE_NS - 500), duration, kind: FaultKind::PowerCut(node) });
    }
    world.run_until(Instant::from_nanos(LIVES * LIFE_NS));
    let snapshot = world.finish();
    assert_eq!(snapshot.failures, []);
    let tripped = snapshot.faults.iter().filter(|fault| fault.name == "disk-cut hub/disk" && fault.hits > 0).count();
    assert!(tripped >= 10_000, "{tripped}");
    assert!(disk.counts().cuts > LIVES);
    assert!(u64::from(ledger.borrow().commits) > LIVES);
}

//! One file's pages: those that node code sees, those that are durable, and the states in between.
//!
//! Pages are shared between the three, so a sync copies nothing and a first write after it copies one page.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The unit of the cache.
pub(super) const PAGE_SIZE: usize = 4_096;
/// The unit that a drive writes whole or not at all.
pub(super) const SECTOR_SIZE: usize = 512;

/// States of one page, and of a file's length, that are kept between two syncs. Of more, one is forgotten that only a
/// power cut could have brought back, so that memory stays bounded.
const STATES_MAX: usize = 4;

static ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

/// `PAGE_SIZE` bytes; none where a file has a hole, which reads as zeroes.
pub(super) type Page = Option<Arc<[u8]>>;

/// What a file holds at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pages: BTreeMap<usize, Arc<[u8]>>,
    pub(super) len: u64,
}

impl Image {
    pub(super) fn page(&self, number: usize) -> Page {
        self.pages.get(&number).cloned()
    }

    pub(super) fn set_page(&mut self, number: usize, page: Page) {
        match page {
            Some(page) => self.pages.insert(number, page),
            None => self.pages.remove(&number),
        };
    }

    /// Cuts off what lies beyond the length, which reads as zeroes if the file grows again. Gives the pages that changed.
    pub(super) fn trim(&mut self) -> Vec<usize> {
        let (whole, rest) = split(self.len);
        let mut changed = Vec::new();
        if rest > 0
            && let Some(last) = self.pages.get_mut(&whole)
            && last[rest..] != ZEROES[rest..]
        {
            Arc::make_mut(last)[rest..].fill(0);
            changed.push(whole);
        }
        let beyond = self.pages.split_off(&(whole + usize::from(rest > 0)));
        changed.extend(beyond.into_keys());
        changed
    }

    pub(super) fn read(&self, offset: u64, mut bytes: &mut [u8]) {
        let (mut number, mut start) = split(offset);
        while !bytes.is_empty() {
            let length = bytes.len().min(PAGE_SIZE - start);
            let (now, later) = bytes.split_at_mut(length);
            match self.pages.get(&number) {
                Some(page) => now.copy_from_slice(&page[start..][..length]),
                None => now.fill(0),
            }
            (bytes, number, start) = (later, number + 1, 0);
        }
    }

    fn used_pages(&self) -> u64 {
        self.pages.len() as u64
    }
}

/// Page number and position in it.
pub(super) fn split(offset: u64) -> (usize, usize) {
    let number = usize::try_from(offset / PAGE_SIZE as u64).expect("a file in memory");
    (number, (offset % PAGE_SIZE as u64) as usize)
}

/// When something was written: in the world's time, and in the order of the disk's writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) at_ns: u64,
    pub(super) sequence: u64,
    /// The world's clock then. Up to here nothing can be undone any more.
    pub(super) world_ns: u64,
}

/// Makes room for one more state of something, if it must be.
fn forget_one<T>(states: &mut Vec<(Stamp, T)>, next: Stamp) {
    if states.len() < STATES_MAX {
        return;
    }
    let certain = |index: usize, at_ns: u64| {
        let successor = states.get(index + 1).map_or(next, |(stamp, _)| *stamp);
        successor.at_ns == at_ns || successor.at_ns <= next.world_ns
    };
    let found = states.iter().enumerate().rev().find(|(index, (stamp, _))| certain(*index, stamp.at_ns));
    if let Some((index, _)) = found {
        states.remove(index);
    }
}

/// What was written since some sync, oldest first.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) pages: BTreeMap<usize, Vec<(Stamp, Page)>>,
    pub(super) lens: Vec<(Stamp, u64)>,
}

/// A sync whose end may lie ahead of the world's clock.
#[derive(Debug)]
struct Flush {
    done_ns: u64,
    changes: Changes,
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) current: Image,
    pub(super) durable: Image,
    flushes: VecDeque<Flush>,
    unsynced: Changes,
    /// When the file was made, in the world's time.
    pub(super) born_ns: u64,
    /// The file would be there after a power cut.
    pub(super) anchored: bool,
}

impl Contents {
    pub(super) fn born_at(born_ns: u64) -> Self {
        Contents { born_ns, ..Contents::default() }
    }

    pub(super) fn used_pages(&self) -> u64 {
        self.current.used_pages()
    }

    pub(super) fn durable_pages(&self) -> usize {
        self.durable.pages.len()
    }

    /// One bit of the `nth` durable page changes, in the cache too where it holds that very page. Gives the page's number.
    pub(super) fn rot(&mut self, nth: usize, bit: usize) -> usize {
        let (number, page) = self.durable.pages.iter().nth(nth).expect("one of the durable pages");
        let number = *number;
        let cached = self.current.pages.get(&number).is_some_and(|cached| Arc::ptr_eq(cached, page));
        let mut rotten = page.to_vec();
        rotten[bit / 8] ^= 0x80 >> (bit % 8);
        let rotten: Arc<[u8]> = rotten.into();
        if cached {
            self.current.set_page(number, Some(rotten.clone()));
        }
        self.durable.set_page(number, Some(rotten));
        number
    }

    /// How many pages a write would take that are holes now.
    pub(super) fn holes(&self, offset: u64, length: usize) -> u64 {
        if length == 0 {
            return 0;
        }
        let (first, _) = split(offset);
        let (last, _) = split(offset + length as u64 - 1);
        let taken = self.current.pages.range(first..=last).count();
        (last - first + 1 - taken) as u64
    }

    /// What a sync would write.
    pub(super) fn dirty_pages(&self) -> u64 {
        let newest = self.unsynced.pages.values().filter_map(|versions| versions.last());
        newest.filter(|(_, page)| page.is_some()).count() as u64
    }

    pub(super) fn write(&mut self, stamp: Stamp, offset: u64, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        let (mut number, mut start) = split(offset);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PAGE_SIZE - start));
            self.write_page(stamp, number, start, now);
            (bytes, number, start) = (later, number + 1, 0);
        }
        if end > self.current.len {
            self.current.len = end;
            self.note_len(stamp);
        }
    }

    /// Writes elsewhere than is said: the file becomes as long as if it were there.
    pub(super) fn write_astray(&mut self, stamp: Stamp, said: u64, offset: u64, bytes: &[u8]) {
        self.write(stamp, offset, bytes);
        let end = said + bytes.len() as u64;
        if end > self.current.len {
            self.current.len = end;
            self.note_len(stamp);
        }
    }

    fn write_page(&mut self, stamp: Stamp, number: usize, start: usize, bytes: &[u8]) {
        if let Some(states) = self.unsynced.pages.get_mut(&number) {
            forget_one(states, stamp);
        }
        let page = if bytes.len() == PAGE_SIZE {
            Arc::from(bytes)
        } else {
            let mut page = self.current.pages.remove(&number).unwrap_or_else(|| Arc::from(&ZEROES[..]));
            // A copy, unless neither the durable image nor a state holds the page too.
            Arc::make_mut(&mut page)[start..][..bytes.len()].copy_from_slice(bytes);
            page
        };
        self.unsynced.pages.entry(number).or_default().push((stamp, Some(page.clone())));
        self.current.set_page(number, Some(page));
    }

    fn note_len(&mut self, stamp: Stamp) {
        forget_one(&mut self.unsynced.lens, stamp);
        self.unsynced.lens.push((stamp, self.current.len));
    }

    /// Changes the length; gives the number of pages that became free.
    pub(super) fn set_len(&mut self, stamp: Stamp, len: u64) -> u64 {
        let used_before = self.used_pages();
        self.current.len = len;
        self.note_len(stamp);
        for number in self.current.trim() {
            let page = self.current.page(number);
            let states = self.unsynced.pages.entry(number).or_default();
            forget_one(states, stamp);
            states.push((stamp, page));
        }
        used_before - self.used_pages()
    }

    /// Everything written so far becomes durable at `done_ns`.
    pub(super) fn sync(&mut self, done_ns: u64) {
        let changes = std::mem::take(&mut self.unsynced);
        self.flushes.push_back(Flush { done_ns, changes });
    }

    /// Makes durable what is so in the world's time.
    pub(super) fn settle(&mut self, now_ns: u64) {
        while self.flushes.front().is_some_and(|oldest| oldest.done_ns <= now_ns) {
            let changes = self.flushes.pop_front().map(|flush| flush.changes).unwrap_or_default();
            for (number, versions) in changes.pages {
                if let Some((_, page)) = versions.into_iter().next_back() {
                    self.durable.set_page(number, page);
                }
            }
            if let Some((_, len)) = changes.lens.last() {
                self.durable.len = *len;
            }
            self.durable.trim();
            self.anchored = true;
        }
    }

    /// The program died at `now_ns`, the machine lives: the cache keeps what had been written by then.
    pub(super) fn crash(&mut self, now_ns: u64) {
        let loose = self.take_loose(now_ns);
        self.current = self.durable.clone();
        for (number, states) in &loose.pages {
            if let Some((_, page)) = states.last() {
                self.current.set_page(*number, page.clone());
            }
        }
        if let Some((_, len)) = loose.lens.last() {
            self.current.len = *len;
        }
        self.current.trim();
        self.unsynced = loose;
    }

    /// All that has been written by `now_ns` and is not durable, syncs under way included.
    pub(super) fn take_loose(&mut self, now_ns: u64) -> Changes {
        self.settle(now_ns);
        let mut loose = Changes::default();
        let under_way = self.flushes.drain(..).map(|flush| flush.changes);
        for changes in under_way.chain([std::mem::take(&mut self.unsynced)]) {
            let happened = |stamp: &Stamp| stamp.at_ns <= now_ns;
            for (number, mut versions) in changes.pages {
                versions.retain(|(stamp, _)| happened(stamp));
                if !versions.is_empty() {
                    loose.pages.entry(number).or_default().append(&mut versions);
                }
            }
            loose.lens.extend(changes.lens.into_iter().filter(|(stamp, _)| happened(stamp)));
        }
        loose
    }
}

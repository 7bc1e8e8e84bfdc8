//! What a power cut leaves of writes that were not durable.

use std::sync::Arc;

use rand_core::Rng;

use super::page::{Changes, Contents, PAGE_SIZE, Page, SECTOR_SIZE, Stamp};

/// How the cache was being written back when the power failed.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Nothing had reached the drive.
    Lost,
    /// Everything had, just in time.
    Kept,
    /// The drive had done everything up to this write, in order.
    Until(u64),
    /// Each page had reached the drive in some version or other.
    Pages,
    /// As before, but sector by sector: pages are torn.
    Sectors,
}

impl Contents {
    /// Leaves what survives a cut at `now_ns`; says whether the file's name does.
    pub(super) fn cut(&mut self, now_ns: u64, stream: &mut impl Rng) -> bool {
        let loose = self.take_loose(now_ns);
        let fate = Fate::draw(&loose, stream);
        let nameless = matches!(fate, Fate::Lost) || self.born_ns > now_ns;
        if !self.anchored && nameless {
            *self = Contents::default();
            return false;
        }
        // Once the name has survived, later cuts cannot take it.
        self.anchored = true;

        let lens: Vec<_> = loose.lens.iter().map(|(stamp, _)| *stamp).collect();
        if let Some(index) = fate.pick(&lens, stream) {
            self.durable.len = loose.lens[index].1;
        }
        for (number, versions) in &loose.pages {
            let page = fate.survivor(&self.durable.page(*number), versions, stream);
            self.durable.set_page(*number, page);
        }
        self.durable.trim();
        self.current = self.durable.clone();
        true
    }
}

impl Fate {
    fn draw(loose: &Changes, stream: &mut impl Rng) -> Self {
        let kind = below(5, stream);
        let sequences = || {
            let pages = loose.pages.values().flatten().map(|(stamp, _)| stamp.sequence);
            pages.chain(loose.lens.iter().map(|(stamp, _)| stamp.sequence))
        };
        match (kind, sequences().min(), sequences().max()) {
            (0, ..) => Fate::Lost,
            (1, ..) => Fate::Kept,
            (2, Some(first), Some(last)) => Fate::Until(first + below(last - first + 1, stream)),
            (3, ..) => Fate::Pages,
            _ => Fate::Sectors,
        }
    }

    /// Which of several states that followed each other the drive was left with; none for the durable one.
    fn pick(self, stamps: &[Stamp], stream: &mut impl Rng) -> Option<usize> {
        let count = stamps.len();
        let survived = match self {
            Fate::Lost => 0,
            Fate::Kept => count,
            Fate::Until(last) => stamps.partition_point(|stamp| stamp.sequence <= last),
            Fate::Pages | Fate::Sectors => usize::try_from(below(count as u64 + 1, stream)).expect("at most the count"),
        };
        survived.checked_sub(1)
    }

    fn survivor(self, durable: &Page, versions: &[(Stamp, Page)], stream: &mut impl Rng) -> Page {
        let stamps: Vec<_> = versions.iter().map(|(stamp, _)| *stamp).collect();
        let whole = |stream: &mut _| match self.pick(&stamps, stream) {
            Some(index) => &versions[index].1,
            None => durable,
        };
        if !matches!(self, Fate::Sectors) {
            return whole(stream).clone();
        }
        let mut torn = [0; PAGE_SIZE];
        for (number, sector) in torn.chunks_mut(SECTOR_SIZE).enumerate() {
            if let Some(page) = whole(stream) {
                sector.copy_from_slice(&page[number * SECTOR_SIZE..][..SECTOR_SIZE]);
            }
        }
        Some(Arc::from(&torn[..]))
    }
}

/// One word of the stream as a number below `bound`.
fn below(bound: u64, stream: &mut impl Rng) -> u64 {
    crate::random::below(stream.next_u64(), bound)
}

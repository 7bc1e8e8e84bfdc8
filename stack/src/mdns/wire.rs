//! Messages: names as sequences of labels, which may be any bytes, read where they lie.

use super::MESSAGE_MAX;

pub(super) const HEADER: usize = 12;
pub(super) const RESPONSE: u8 = 0x80;
const AUTHORITATIVE: u8 = 0x04;

pub(super) const A: u16 = 1;
pub(super) const PTR: u16 = 12;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const SRV: u16 = 33;
pub(super) const ANY: u16 = 255;
pub(super) const INTERNET: u16 = 1;
/// Of a question: answer me alone. Of a record: forget all others (RFC 6762, sections 5.4 and 10.2).
pub(super) const TOP_BIT: u16 = 0x8000;

/// More labels than any name here has.
const LABELS_MAX: usize = 16;

/// A name that we compare with and write.
pub(super) type Labels<'a> = heapless::Vec<&'a [u8], 6>;

/// What a message consists of, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Question { name_at: usize, kind: u16, class: u16 },
    Record(Record<'a>),
}

/// A record of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// 1 for answers, 2 for authorities, 3 for additional ones.
    pub(super) section: u8,
    pub(super) name_at: usize,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data_at: usize,
    pub(super) data: &'a [u8],
}

/// Goes through a message; ends where it is broken.
pub(super) struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
    left: [u16; 4],
}

impl<'a> Items<'a> {
    /// The items of a message; `None` if it is no query and no response.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        // The operation has to be zero; other bits are to be ignored (RFC 6762, section 18).
        (header[2] & 0x78 == 0).then_some(Self { bytes, at: HEADER, left: [count(4), count(6), count(8), count(10)] })
    }

    fn word(&mut self) -> Option<u16> {
        let bytes = self.bytes.get(self.at..self.at + 2)?;
        self.at += 2;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn item(&mut self, section: usize) -> Option<Item<'a>> {
        let name_at = self.at;
        self.at = behind_name(self.bytes, name_at)?;
        let (kind, class) = (self.word()?, self.word()?);
        if section == 0 {
            return Some(Item::Question { name_at, kind, class });
        }
        let ttl = u32::from(self.word()?) << 16 | u32::from(self.word()?);
        let len = usize::from(self.word()?);
        let data_at = self.at;
        let data = self.bytes.get(data_at..data_at + len)?;
        self.at += len;
        Some(Item::Record(Record { section: section as u8, name_at, kind, class, ttl, data_at, data }))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let section = self.left.iter().position(|&left| left > 0)?;
        self.left[section] -= 1;
        let item = self.item(section);
        if item.is_none() {
            self.left = [0; 4];
        }
        item
    }
}

fn behind_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

/// The labels of a name, following pointers (RFC 1035, section 4.1.4), each of which must lead further back than the
/// last, and none into the header. `None` if it is broken.
pub(super) fn labels(bytes: &[u8], at: usize) -> Option<heapless::Vec<&[u8], LABELS_MAX>> {
    let mut labels = heapless::Vec::new();
    let (mut at, mut limit, mut pointers) = (at, at, 0);
    loop {
        let len = *bytes.get(at)?;
        match len {
            0 => return Some(labels),
            1..=63 => {
                let end = at + 1 + usize::from(len);
                labels.push(bytes.get(at + 1..end)?).ok()?;
                at = end;
            }
            192.. => {
                let target = usize::from(u16::from_be_bytes([len & 0x3f, *bytes.get(at + 1)?]));
                // Names are compared for each record with each: one must not take the longer, the longer its message is.
                if target < HEADER || target >= limit || pointers >= LABELS_MAX {
                    return None;
                }
                (at, limit, pointers) = (target, target, pointers + 1);
            }
            _ => return None,
        }
    }
}

/// Whether the name there is that one, in whatever case.
pub(super) fn is_name(bytes: &[u8], at: usize, name: &[&[u8]]) -> bool {
    labels(bytes, at).is_some_and(|found| {
        found.len() == name.len() && found.iter().zip(name).all(|(one, other)| one.eq_ignore_ascii_case(other))
    })
}

/// The labels of a kind of service under `local`, as in `_http._tcp`.
pub(super) fn kind(text: &str) -> Labels<'_> {
    text.split('.').map(str::as_bytes).chain([&b"local"[..]]).take(6).collect()
}

/// A message on its way into a buffer.
pub(super) struct Writer<'b> {
    buffer: &'b mut [u8; MESSAGE_MAX],
    pub(super) len: usize,
    pub(super) counts: [u16; 4],
}

impl<'b> Writer<'b> {
    pub(super) fn query(buffer: &'b mut [u8; MESSAGE_MAX], id: u16) -> Self {
        buffer[..HEADER].fill(0);
        buffer[..2].copy_from_slice(&id.to_be_bytes());
        Self { buffer, len: HEADER, counts: [0; 4] }
    }

    pub(super) fn response(buffer: &'b mut [u8; MESSAGE_MAX], id: u16) -> Self {
        let writer = Self::query(buffer, id);
        writer.buffer[2] = RESPONSE | AUTHORITATIVE;
        writer
    }

    /// The message's length; `None` if there is nothing in it.
    pub(super) fn finish(self) -> Option<usize> {
        for (at, count) in self.counts.into_iter().enumerate() {
            let at = 4 + 2 * at;
            self.buffer[at..at + 2].copy_from_slice(&count.to_be_bytes());
        }
        (self.counts != [0; 4]).then_some(self.len)
    }

    pub(super) fn question(&mut self, name: &[&[u8]], kind: u16, class: u16) {
        let start = self.len;
        let written = self.name(name).and_then(|()| self.words(&[kind, class]));
        self.count(0, start, written);
    }

    /// Writes a record whose data `data` writes. What does not fit is left out.
    pub(super) fn record(
        &mut self,
        section: usize,
        name: &[&[u8]],
        (kind, class, ttl): (u16, u16, u32),
        data: impl FnOnce(&mut Self) -> Option<()>,
    ) {
        let start = self.len;
        let written = (|| {
            self.name(name)?;
            self.words(&[kind, class, (ttl >> 16) as u16, ttl as u16, 0])?;
            let data_at = self.len;
            data(self)?;
            let len = (self.len - data_at) as u16;
            self.buffer[data_at - 2..data_at].copy_from_slice(&len.to_be_bytes());
            Some(())
        })();
        self.count(section, start, written);
    }

    fn count(&mut self, section: usize, start: usize, written: Option<()>) {
        match written {
            Some(()) => self.counts[section] += 1,
            None => self.len = start,
        }
    }

    pub(super) fn name(&mut self, name: &[&[u8]]) -> Option<()> {
        for label in name {
            self.bytes(&[label.len() as u8])?;
            self.bytes(label)?;
        }
        self.bytes(&[0])
    }

    pub(super) fn words(&mut self, words: &[u16]) -> Option<()> {
        words.iter().try_for_each(|word| self.bytes(&word.to_be_bytes()))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.buffer.get_mut(self.len..self.len + bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }
}

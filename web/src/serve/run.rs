//! Pieces of a body that are at hand together, given to hyper as one: so they are one chunk, for one of which hyper has as much
//! to do as for another.

use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// hyper hands on what it has once it is so much, and so more is not joined.
pub(super) const BYTES_MAX: usize = 400 * 1024;
/// hyper itself keeps no more of them.
const PIECES_MAX: usize = 16;

/// One piece of a body, or several that follow one another.
#[derive(Debug)]
pub(super) enum Run {
    One(Bytes),
    Many(Box<Many>),
}

/// Those that are left lie in `taken..count`, and none of them is empty.
#[derive(Debug)]
pub(super) struct Many {
    pieces: [Bytes; PIECES_MAX],
    taken: usize,
    count: usize,
    left: usize,
}

impl Many {
    fn pieces(&self) -> &[Bytes] {
        &self.pieces[self.taken..self.count]
    }
}

impl Run {
    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::One(piece) => piece.len() < BYTES_MAX,
            Self::Many(many) => many.left < BYTES_MAX && many.count < PIECES_MAX,
        }
    }

    /// Puts this behind it, for which there must be room.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        match self {
            Self::One(first) if first.is_empty() => *first = piece,
            Self::One(first) => {
                let left = first.len() + piece.len();
                let mut pieces = [const { Bytes::new() }; PIECES_MAX];
                pieces[0] = std::mem::take(first);
                pieces[1] = piece;
                *self = Self::Many(Box::new(Many { pieces, taken: 0, count: 2, left }));
            }
            Self::Many(many) => {
                many.left += piece.len();
                many.pieces[many.count] = piece;
                many.count += 1;
            }
        }
    }
}

impl Buf for Run {
    fn remaining(&self) -> usize {
        match self {
            Self::One(piece) => piece.len(),
            Self::Many(many) => many.left,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::One(piece) => piece,
            Self::Many(many) => many.pieces().first().map_or(&[], |piece| piece),
        }
    }

    fn advance(&mut self, count: usize) {
        let many = match self {
            Self::One(piece) => return piece.advance(count),
            Self::Many(many) => many,
        };
        many.left = many.left.checked_sub(count).expect("no more is taken than there is");
        let mut count = count;
        while count > 0 {
            let first = &mut many.pieces[many.taken];
            if count < first.len() {
                return first.advance(count);
            }
            count -= first.len();
            *first = Bytes::new();
            many.taken += 1;
        }
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        match self {
            Self::One(piece) => piece.chunks_vectored(into),
            Self::Many(many) => {
                let slices = into.iter_mut().zip(many.pieces());
                slices.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use bytes::{Buf as _, Bytes};

    use super::{BYTES_MAX, Run};

    fn run(pieces: &[&'static str]) -> Run {
        let mut run = Run::One(Bytes::from_static(pieces[0].as_bytes()));
        pieces[1..].iter().for_each(|piece| run.push(Bytes::from_static(piece.as_bytes())));
        run
    }

    #[test]
    fn it_is_its_pieces_one_after_the_other_however_it_is_taken() {
        for pieces in [&["one"][..], &["", "one"], &["on", "e"], &["o", "", "n", "e"], &[""], &["", ""]] {
            let text = pieces.concat();
            for step in 1..=text.len() {
                let (mut run, mut taken) = (run(pieces), String::new());
                while run.has_remaining() {
                    assert_eq!(run.remaining(), text.len() - taken.len());
                    let mut slices = [IoSlice::new(&[]); 4];
                    let count = run.chunks_vectored(&mut slices);
                    let seen: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                    assert_eq!(seen, &text.as_bytes()[taken.len()..], "{pieces:?}");
                    assert!(seen.starts_with(run.chunk()) && !run.chunk().is_empty());
                    let piece = run.copy_to_bytes(step.min(run.remaining()));
                    taken.push_str(std::str::from_utf8(&piece).expect("text"));
                }
                assert_eq!(taken, text);
                assert_eq!(run.chunk(), b"");
            }
        }
    }

    #[test]
    fn it_has_bounds() {
        let mut large = run(&["x"]);
        assert!(large.has_room());
        large.push(vec![0; BYTES_MAX].into());
        assert!(!large.has_room());
        assert!(!Run::One(vec![0; BYTES_MAX].into()).has_room());
        let mut small = run(&["x"]);
        let count =
            (1..).take_while(|_| small.has_room().then(|| small.push(Bytes::from_static(b"x"))).is_some()).count();
        assert_eq!((count, small.remaining()), (15, 16));
    }
}

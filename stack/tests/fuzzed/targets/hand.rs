//! An input, taken part by part.

/// What is left of an input.
#[derive(Clone, Copy)]
pub(super) struct Hand<'a>(pub(super) &'a [u8]);

impl<'a> Hand<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(super) fn word(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// A length of two bytes and so many more, or all that is left.
    pub(super) fn piece(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.word()?).min(self.0.len());
        let (piece, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(piece)
    }
}

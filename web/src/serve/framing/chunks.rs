//! Chunks, as RFC 9112, 7.1 has them and no otherwise.

/// Follows chunks to the last one's line.
#[derive(Default)]
pub(super) struct Chunks {
    at: At,
    /// The chunk's size as far as it is read, and then how much of its bytes is still to come.
    size: u64,
}

/// What comes next. Names are for what has been read before.
#[derive(Default, Clone, Copy)]
enum At {
    /// The first digit of a size.
    #[default]
    Start,
    Size,
    /// White space after a size or a value, which only another extension may follow.
    Space,
    Semicolon,
    Name,
    NameSpace,
    Equals,
    Value,
    Quoted,
    Escape,
    Quote,
    /// The carriage return at the line's end.
    LineReturn,
    Bytes,
    /// All bytes of the chunk.
    BytesEnd,
    BytesReturn,
}

/// What bytes came to.
pub(super) enum Read {
    /// There is more to come.
    More,
    /// The last chunk's line was read with so many of them; trailers come next.
    Ended(usize),
    /// The first that may not be there is at this place.
    Wrong(usize),
}

impl Chunks {
    pub(super) fn read(&mut self, bytes: &[u8]) -> Read {
        let mut read = 0;
        while let Some(&byte) = bytes.get(read) {
            if matches!(self.at, At::Bytes) {
                let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - read);
                self.size -= count as u64;
                if self.size == 0 {
                    self.at = At::BytesEnd;
                }
                read += count;
                continue;
            }
            let Some(at) = self.after(byte) else {
                return Read::Wrong(read);
            };
            read += 1;
            if matches!((self.at, at), (At::LineReturn, At::Bytes)) && self.size == 0 {
                return Read::Ended(read);
            }
            self.at = at;
        }
        Read::More
    }

    /// What follows this byte, if it may be there.
    fn after(&mut self, byte: u8) -> Option<At> {
        match (self.at, byte) {
            (At::Start | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                self.size = self.size.checked_mul(16)?.checked_add(u64::from(digit))?;
                Some(At::Size)
            }
            (At::Size | At::Name | At::Value | At::Quote, b'\r') => Some(At::LineReturn),
            (At::LineReturn, b'\n') => Some(At::Bytes),
            (At::Size | At::Space | At::Name | At::NameSpace | At::Value | At::Quote, b';') => Some(At::Semicolon),
            (At::Size | At::Space | At::Value | At::Quote, b' ' | b'\t') => Some(At::Space),
            (At::Name | At::NameSpace, b' ' | b'\t') => Some(At::NameSpace),
            (At::Name | At::NameSpace, b'=') => Some(At::Equals),
            (At::Semicolon | At::Equals, b' ' | b'\t') => Some(self.at),
            (At::Equals, b'"') => Some(At::Quoted),
            (At::Semicolon | At::Name, byte) if is_token(byte) => Some(At::Name),
            (At::Equals | At::Value, byte) if is_token(byte) => Some(At::Value),
            (At::Quoted, b'"') => Some(At::Quote),
            (At::Quoted, b'\\') => Some(At::Escape),
            (At::Quoted | At::Escape, b'\t' | b' '..=b'~' | 0x80..) => Some(At::Quoted),
            (At::BytesEnd, b'\r') => Some(At::BytesReturn),
            (At::BytesReturn, b'\n') => Some(At::Start),
            _ => None,
        }
    }
}

/// `tchar` of RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

//! Virtual networks on a switch (IEEE 802.1Q): whose port is in which, and the tags between switches.
//!
//! Within a switch frames bear no tag: the port that they came by, or their tag, says which network they are of.

use super::Frame;

/// How a port of a switch takes part in virtual networks, which have numbers from 1 to 4094. Where one port of a switch is
/// told this, those that are told nothing are `Access(1)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortVlan {
    /// It is in this network, and its frames bear no tag; those that do are refused.
    Access(u16),
    /// It carries several, whose frames bear their tags.
    Trunk {
        /// The network whose frames bear none, if there is one.
        native: Option<u16>,
        /// Which it carries, besides that; all if left out.
        carries: Option<Vec<u16>>,
    },
}

impl PortVlan {
    /// A port that is told nothing.
    pub(super) const UNTOLD: Self = Self::Access(1);

    /// Which network a frame is of that comes in here; `None` if it may not.
    pub(super) fn network_of(&self, frame: &Frame) -> Option<u16> {
        let tag = tag(frame.bytes()).filter(|vlan| *vlan != 0);
        match (self, tag) {
            (Self::Access(own), None) => Some(*own),
            (Self::Access(_), Some(_)) => None,
            (Self::Trunk { native, .. }, None) => *native,
            (Self::Trunk { .. }, Some(vlan)) => self.carries(vlan).then_some(vlan),
        }
    }

    pub(super) fn carries(&self, vlan: u16) -> bool {
        match self {
            Self::Access(own) => *own == vlan,
            Self::Trunk { native, carries } => {
                *native == Some(vlan) || carries.as_ref().is_none_or(|carries| carries.contains(&vlan))
            }
        }
    }

    /// Whether frames of that network bear a tag when they leave here.
    pub(super) fn tags(&self, vlan: u16) -> bool {
        matches!(self, Self::Trunk { native, .. } if *native != Some(vlan))
    }
}

/// The tag's EtherType (clause 9.6).
const TAG: [u8; 2] = [0x81, 0x00];
/// Where it stands: behind the two addresses.
const TAG_AT: usize = 12;
/// How long it is.
pub(super) const TAG_BYTES: usize = 4;

/// The network that a frame's tag names, 0 if it names none but a priority; `None` without a tag.
pub(super) fn tag(frame: &[u8]) -> Option<u16> {
    let [high, low] = *frame.get(TAG_AT + 2..TAG_AT + TAG_BYTES)?.first_chunk()?;
    (frame[TAG_AT..TAG_AT + 2] == TAG).then_some(u16::from_be_bytes([high, low]) & 0x0fff)
}

impl Frame {
    /// Takes off its tag, if it bears one.
    pub(super) fn untag(&mut self) {
        if tag(self.bytes()).is_some() {
            let len = self.len();
            self.bytes_mut().copy_within(TAG_AT + TAG_BYTES.., TAG_AT);
            self.resize(len - TAG_BYTES);
            self.seal();
        }
    }

    /// Puts a tag on it; `false` if it is too long for that.
    pub(super) fn tag(&mut self, vlan: u16) -> bool {
        let len = self.len();
        if len + TAG_BYTES > super::FRAME_BYTES_MAX {
            return false;
        }
        self.resize(len + TAG_BYTES);
        self.bytes_mut().copy_within(TAG_AT..len, TAG_AT + TAG_BYTES);
        self.bytes_mut()[TAG_AT..TAG_AT + 2].copy_from_slice(&TAG);
        self.bytes_mut()[TAG_AT + 2..TAG_AT + TAG_BYTES].copy_from_slice(&vlan.to_be_bytes());
        self.seal();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pool;
    use super::*;

    fn frame(bytes: &[u8]) -> Box<Frame> {
        let mut frame = Pool::new().take(bytes.len()).expect("room");
        frame.bytes_mut().copy_from_slice(bytes);
        frame.seal();
        frame
    }

    #[test]
    fn a_tag_goes_on_and_comes_off() {
        let plain: Vec<u8> = (0..60).collect();
        let mut tagged = frame(&plain);
        let digest = tagged.digest();
        assert!(tagged.tag(1_234));
        assert_eq!(tagged.bytes()[..20], [&plain[..12], &[0x81, 0, 0x04, 0xd2], &plain[12..16]].concat());
        assert_eq!((tagged.len(), tag(tagged.bytes())), (64, Some(1_234)));
        tagged.untag();
        assert_eq!((tagged.bytes(), tagged.digest()), (&plain[..], digest));
        tagged.untag();
        assert_eq!(tagged.bytes(), plain);
        assert!(!frame(&[0; super::super::FRAME_BYTES_MAX]).tag(1), "there is no room for it");
    }

    #[test]
    fn ports_let_in_what_is_theirs() {
        let (plain, mut ten, mut priority) = (frame(&[0; 60]), frame(&[0; 60]), frame(&[0; 60]));
        assert!(ten.tag(10) && priority.tag(0));
        let of = |port: &PortVlan| [&plain, &ten, &priority].map(|frame| port.network_of(frame));
        assert_eq!(of(&PortVlan::Access(10)), [Some(10), None, Some(10)]);
        assert_eq!(of(&PortVlan::Trunk { native: None, carries: None }), [None, Some(10), None]);
        let some = PortVlan::Trunk { native: Some(3), carries: Some(vec![20]) };
        assert_eq!(of(&some), [Some(3), None, Some(3)]);
        assert!(some.carries(3) && some.carries(20) && !some.carries(10));
        assert!(some.tags(20) && !some.tags(3) && !PortVlan::Access(20).tags(20));
    }
}

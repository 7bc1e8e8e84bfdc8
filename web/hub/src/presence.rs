//! Which devices have been heard lately.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// When each device was last heard, and which of them are online: heard no longer ago than the window. Told the time;
/// costs a logarithm per event, whatever the number of devices.
#[derive(Debug)]
pub(crate) struct Presence {
    window_ms: u64,
    heard_ms: BTreeMap<Rc<str>, u64>,
    online: BTreeSet<(u64, Rc<str>)>,
}

impl Presence {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self { window_ms, heard_ms: BTreeMap::new(), online: BTreeSet::new() }
    }

    /// The device is heard now.
    pub(crate) fn hear(&mut self, device: &str, now_ms: u64) {
        let device = match self.heard_ms.get_key_value(device) {
            Some((device, &before)) => {
                let device = Rc::clone(device);
                self.online.remove(&(before, Rc::clone(&device)));
                device
            }
            None => Rc::from(device),
        };
        self.heard_ms.insert(Rc::clone(&device), now_ms);
        self.online.insert((now_ms, device));
    }

    /// Takes those offline that have been silent for longer than the window.
    pub(crate) fn sweep(&mut self, now_ms: u64) {
        while let Some((heard_ms, _)) = self.online.first()
            && heard_ms.saturating_add(self.window_ms) < now_ms
        {
            self.online.pop_first();
        }
    }

    /// How long until someone may have to be taken offline; `None` while nobody is online.
    pub(crate) fn next_sweep_ms(&self, now_ms: u64) -> Option<u64> {
        let (heard_ms, _) = self.online.first()?;
        Some(heard_ms.saturating_add(self.window_ms).saturating_add(1).saturating_sub(now_ms).max(1))
    }

    pub(crate) fn last_heard_ms(&self, device: &str) -> Option<u64> {
        self.heard_ms.get(device).copied()
    }

    pub(crate) fn is_online(&self, device: &str, now_ms: u64) -> bool {
        self.last_heard_ms(device).is_some_and(|heard_ms| heard_ms.saturating_add(self.window_ms) >= now_ms)
    }

    pub(crate) fn known(&self) -> usize {
        self.heard_ms.len()
    }

    pub(crate) fn online(&self) -> usize {
        self.online.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Presence;

    #[test]
    fn a_device_is_online_for_the_window_and_not_longer() {
        let mut presence = Presence::new(100);
        assert_eq!(presence.next_sweep_ms(0), None);
        presence.hear("a", 10);
        presence.hear("b", 50);
        presence.hear("a", 60);
        assert_eq!((presence.known(), presence.online()), (2, 2));
        assert_eq!(presence.next_sweep_ms(60), Some(91));
        presence.sweep(150);
        assert_eq!(presence.online(), 2);
        assert!(presence.is_online("b", 150) && !presence.is_online("b", 151));
        presence.sweep(151);
        assert_eq!(presence.online(), 1);
        presence.sweep(u64::MAX);
        assert_eq!((presence.known(), presence.online()), (2, 0));
        presence.hear("b", 200);
        assert_eq!((presence.last_heard_ms("b"), presence.online()), (Some(200), 1));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_devices_online_for_longer_and_breaks_nothing() {
        let mut presence = Presence::new(100);
        presence.hear("a", 1_000);
        presence.sweep(10);
        assert_eq!(presence.online(), 1);
        presence.hear("a", 20);
        presence.sweep(121);
        assert_eq!(presence.online(), 0);
    }
}

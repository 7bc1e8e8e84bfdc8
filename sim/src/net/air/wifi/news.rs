//! What nodes learn of their radios: that their link came up or went down, and how it is.

use super::{Airs, Role};
use crate::executor::Wakee;
use crate::kernel::{Action, Kernel};
use crate::metric::{Change, MetricId};
use crate::net::air::AirEvent;
use crate::net::link::Destination;
use crate::net::transit::{Net, Port};
use crate::trace::Event;

/// What a station's node says of its radio, beside its kind's metrics: name and meaning.
pub const METRICS: &[(&str, &str)] = &[
    ("wifi.associated", "1 while its radio is associated with an access point, else 0"),
    ("wifi.associations", "times that its radio joined a network in which it was not"),
    ("wifi.roams", "times that its radio changed over from one access point to another"),
    ("wifi.losses", "times that its radio lost its access point"),
    ("wifi.signal.dbm", "how strongly its radio last heard its access point, in dBm"),
];

/// What an access point's node says.
const ACCESS_POINT_METRICS: &[(&str, &str)] = &[("wifi.stations", "stations that are with it")];
/// Its place there.
const STATIONS: usize = 0;

/// Something that a node is to learn.
pub(in crate::net) enum News {
    Wake(Wakee),
    Change(u32, usize, Change),
}

impl Net {
    /// What a station's node is to learn, at this instant but after what happens now.
    pub(in crate::net::air) fn tell(&mut self, port: &mut Port<'_>, news: News) {
        if self.airs.news.is_empty() {
            port.queue.push(port.now, Action::Air { what: AirEvent::Tells, index: 0 }.payload());
        }
        self.airs.news.push(news);
    }

    /// A station's node says something else of its radio.
    pub(super) fn tell_change(&mut self, port: &mut Port<'_>, station: u32, metric: usize, change: Change) {
        self.tell(port, News::Change(station, metric, change));
    }

    /// How many stations an access point has now.
    pub(super) fn tell_stations(&mut self, port: &mut Port<'_>, station: u32) {
        let count =
            self.airs.access_point(station).map_or(0, |own| own.clients.values().filter(|member| member.is_in).count());
        self.tell_change(port, station, STATIONS, Change::Set(count as i64));
    }

    /// The link of a station's node has come up, or gone down.
    pub(super) fn tell_link(&mut self, port: &mut Port<'_>, station: u32) {
        let down = self.airs.stations[station as usize].down;
        let nic = down.map(|down| &self.links[down.index()].to);
        if let Some(Destination::Nic(nic)) = nic
            && let Some(wakee) = nic.wakee()
        {
            self.tell(port, News::Wake(wakee));
        }
    }

    /// Something happened to a station that its node and its access point are named with.
    pub(super) fn record_of(&self, port: &mut Port<'_>, event: Event) {
        port.trace.record(crate::time::Instant::from_nanos(port.now), event);
    }
}

impl Airs {
    fn told(&self, station: u32) -> Option<&[MetricId]> {
        self.radio(station)?.told.as_deref()
    }
}

impl Kernel {
    /// Nodes learn what became of their radios.
    pub(crate) fn tell_of_radios(&self) {
        let news = std::mem::take(&mut self.net.borrow_mut().airs.news);
        for news in news {
            match news {
                News::Wake(wakee) => self.wake(wakee),
                News::Change(station, metric, change) => {
                    if let Some(id) = self.radio_metric(station, metric) {
                        self.apply_metric(id, change);
                    }
                }
            }
        }
    }

    /// Under which number a node tells something of its radio.
    fn radio_metric(&self, station: u32, metric: usize) -> Option<MetricId> {
        let net = &mut *self.net.borrow_mut();
        if net.airs.told(station).is_none() {
            let radio = net.airs.radio_mut(station)?;
            let metrics = match radio.role {
                Role::Client(_) => METRICS,
                Role::AccessPoint(_) => ACCESS_POINT_METRICS,
            };
            radio.told = Some(metrics.iter().map(|(name, _)| self.metric(&radio.node, name)).collect());
        }
        net.airs.told(station)?.get(metric).copied()
    }
}

//! Where stations are, and how much of a signal is left over a distance.

use crate::hash::Map;
use crate::time::Instant;

/// A place, in millimetres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point {
    /// To the east.
    pub x_mm: i64,
    /// To the north.
    pub y_mm: i64,
    /// Up.
    pub z_mm: i64,
}

impl Point {
    /// How far apart two places are, in whole millimetres.
    #[must_use]
    pub fn distance_mm(self, other: Self) -> u64 {
        let apart = [self.x_mm - other.x_mm, self.y_mm - other.y_mm, self.z_mm - other.z_mm];
        let squares = apart.map(|apart| u128::from(apart.unsigned_abs()).pow(2));
        u64::try_from(squares.iter().sum::<u128>().isqrt()).unwrap_or(u64::MAX)
    }
}

/// A place that a station comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waypoint {
    /// When it is there.
    pub at: Instant,
    /// Where that is.
    pub point: Point,
}

/// Where a station is at each moment: it goes straight and at an even pace from one waypoint to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// Where it is at the start.
    pub start: Point,
    /// Where it goes, in the order of their times.
    pub waypoints: Vec<Waypoint>,
}

/// How often a moving station's place is looked at.
const STEP_NS: u64 = 100_000_000;

impl Track {
    /// A station that stays where it is.
    #[must_use]
    pub const fn at_rest(start: Point) -> Self {
        Self { start, waypoints: Vec::new() }
    }

    /// The places between which it is, with their times.
    fn leg(&self, now_ns: u64) -> Option<[(u64, Point); 2]> {
        let next = self.waypoints.partition_point(|waypoint| waypoint.at.as_nanos() <= now_ns);
        let of = |waypoint: &Waypoint| (waypoint.at.as_nanos(), waypoint.point);
        let from = next.checked_sub(1).map_or((0, self.start), |before| of(&self.waypoints[before]));
        Some([from, of(self.waypoints.get(next)?)])
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self, now: Instant) -> Point {
        let Some([(from_ns, from), (to_ns, to)]) = self.leg(now.as_nanos()) else {
            return self.waypoints.last().map_or(self.start, |last| last.point);
        };
        let (gone, all) = (i128::from(now.as_nanos() - from_ns), i128::from(to_ns - from_ns));
        // Between two numbers of 64 bits there is no third that is longer.
        let between = |from: i64, to: i64| from + ((i128::from(to) - i128::from(from)) * gone / all) as i64;
        Point {
            x_mm: between(from.x_mm, to.x_mm),
            y_mm: between(from.y_mm, to.y_mm),
            z_mm: between(from.z_mm, to.z_mm),
        }
    }

    /// When it is next to be looked at where it is.
    pub(super) fn moves_at(&self, now_ns: u64) -> Option<u64> {
        let [(_, from), (to_ns, to)] = self.leg(now_ns)?;
        Some(if from == to { to_ns } else { to_ns.min(now_ns + STEP_NS) })
    }
}

/// How a signal fades with the distance: the log-distance model, by which it loses so much over the first metre, and ten
/// times the exponent decibels with each tenfold distance (Rappaport, "Wireless Communications", section 4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fading {
    /// What is lost over the first metre, in hundredths of a decibel.
    pub metre_cdb: i32,
    /// The exponent in hundredths: 200 in free space, 300 and more between walls.
    pub exponent_centi: u32,
}

impl Fading {
    /// What is lost over a distance, in hundredths of a decibel; nearer than a metre it is what is lost over a metre.
    #[must_use]
    pub fn loss_cdb(&self, distance_mm: u64) -> i32 {
        let tenfolds = libm::log10(distance_mm.max(1_000) as f64 / 1_000.0);
        let more = libm::round(tenfolds * 10.0 * f64::from(self.exponent_centi));
        self.metre_cdb.saturating_add(more as i32)
    }

    /// Beyond this distance more than `budget_cdb` is lost, in millimetres.
    pub(super) fn reach_mm(&self, budget_cdb: i32) -> i64 {
        let left = f64::from(budget_cdb.saturating_sub(self.metre_cdb)) + 1.0;
        if left <= 0.0 {
            return 1_000;
        }
        let metres = libm::pow(10.0, left / (10.0 * f64::from(self.exponent_centi.max(1))));
        // As far as the place of a station can be told, and a little more for what is rounded.
        (metres.min(1e12) * 1_000.0) as i64 + 1_001
    }
}

/// Stations by the square that they are in, so that only those near by are looked at.
#[derive(Default)]
pub(super) struct Grid {
    side_mm: i64,
    squares: Map<(i64, i64), Vec<u32>>,
}

impl Grid {
    /// Of squares whose sides are as long as the farthest that anybody is heard.
    pub(super) fn new(side_mm: i64) -> Self {
        Self { side_mm: side_mm.max(1), squares: Map::default() }
    }

    fn square(&self, point: Point) -> (i64, i64) {
        (point.x_mm.div_euclid(self.side_mm), point.y_mm.div_euclid(self.side_mm))
    }

    pub(super) fn put(&mut self, station: u32, point: Point) {
        let square = self.square(point);
        self.squares.entry(square).or_default().push(station);
    }

    pub(super) fn take(&mut self, station: u32, point: Point) {
        let square = self.square(point);
        let Some(stations) = self.squares.get_mut(&square) else { return };
        stations.retain(|other| *other != station);
        if stations.is_empty() {
            self.squares.remove(&square);
        }
    }

    /// Everybody who may be heard at a place, and some others.
    pub(super) fn around(&self, point: Point) -> Vec<u32> {
        let (x, y) = self.square(point);
        let squares = (x - 1..=x + 1).flat_map(|x| (y - 1..=y + 1).map(move |y| (x, y)));
        let mut found: Vec<u32> = squares.filter_map(|square| self.squares.get(&square)).flatten().copied().collect();
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: i64, y: i64) -> Point {
        Point { x_mm: x * 1_000, y_mm: y * 1_000, z_mm: 0 }
    }

    #[test]
    fn a_signal_fades_by_the_exponent() {
        let fading = Fading { metre_cdb: 4_020, exponent_centi: 300 };
        assert_eq!(fading.loss_cdb(0), 4_020, "nearer than a metre there is no less");
        assert_eq!(fading.loss_cdb(10_000), 7_020);
        assert_eq!(fading.loss_cdb(100_000), 10_020);
        // 85 dB are used up after 10^((85 - 40.2) / 30) = 31.1 m.
        let reach = fading.reach_mm(8_500);
        assert!((31_100..33_200).contains(&reach), "{reach}");
        assert!(fading.loss_cdb(31_000) < 8_500 && fading.loss_cdb(31_300) > 8_500);
    }

    #[test]
    fn a_track_is_straight_and_even() {
        let waypoint = |s: u64, point| Waypoint { at: Instant::from_nanos(s * 1_000_000_000), point };
        let track = Track {
            start: point(0, 0),
            waypoints: vec![waypoint(10, point(0, 0)), waypoint(20, point(30, -40)), waypoint(30, point(30, 0))],
        };
        let place = |ms: u64| track.place(Instant::from_nanos(ms * 1_000_000));
        assert_eq!((place(0), place(5_000), place(15_000)), (point(0, 0), point(0, 0), point(15, -20)));
        assert_eq!((place(20_000), place(25_000), place(99_000)), (point(30, -40), point(30, -20), point(30, 0)));
        assert_eq!(track.moves_at(0), Some(10_000_000_000), "while it rests nobody looks");
        assert_eq!(track.moves_at(10_000_000_000), Some(10_100_000_000));
        assert_eq!(track.moves_at(30_000_000_000), None);
        assert_eq!(point(0, 0).distance_mm(point(3, -4)), 5_000);
    }

    #[test]
    fn a_grid_finds_who_is_near() {
        let mut grid = Grid::new(10_000);
        for (station, at) in [(0, point(1, 1)), (1, point(-5, 3)), (2, point(19, 19)), (3, point(25, 0))] {
            grid.put(station, at);
        }
        assert_eq!(grid.around(point(5, 5)), [0, 1, 2]);
        grid.take(1, point(-5, 3));
        assert_eq!(grid.around(point(5, 5)), [0, 2]);
        grid.take(3, point(25, 0));
        assert_eq!(grid.squares.len(), 2, "where nobody is any more is nothing");
    }
}

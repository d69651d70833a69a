//! Geohashes: points on the earth as 52-bit scores, their distances, and the ranges of scores that a search must
//! visit.
//!
//! Longitude and latitude are each bisected 26 times, and the resulting bits are interleaved, with the latitude in the
//! lowest bit. Points with the same leading bits are in the same cell of a grid, so a cell is a range of scores. A
//! search visits the cell of its centre and the eight around it, in a grid coarse enough for these to cover it.
//!
//! Clients see many digits of the results, so each formula performs its operations in Redis's order.

use std::f64::consts::PI;
use std::ops::Range;

/// Bits per coordinate in a score.
const STEPS: u32 = 26;

/// Minimum and maximum longitude.
pub const LONGITUDE: Extent = Extent {
    min: -180.0,
    max: 180.0,
};

/// Minimum and maximum latitude: those of the Mercator projection of web maps (EPSG:3857).
pub const LATITUDE: Extent = Extent {
    min: -85.05112878,
    max: 85.05112878,
};

/// The latitudes of geohash.org, which include the poles.
const ALL_LATITUDES: Extent = Extent {
    min: -90.0,
    max: 90.0,
};

/// Mean radius of the earth in metres.
const EARTH_RADIUS: f64 = 6_372_797.560856;

/// Half of the equator in metres, in the Mercator projection.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// A degree in radians.
const DEGREE: f64 = PI / 180.0;

/// The bits of the latitude in a cell, and those of the longitude.
const EVEN: u64 = 0x5555_5555_5555_5555;
const ODD: u64 = !EVEN;

/// A closed interval of coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Lower bound.
    pub min: f64,
    /// Upper bound.
    pub max: f64,
}

impl Extent {
    /// Whether a coordinate is inside.
    pub fn contains(&self, coordinate: f64) -> bool {
        self.min <= coordinate && coordinate <= self.max
    }

    /// Index of the part that contains a coordinate, if the interval is divided into 2^`step` parts.
    fn part(&self, coordinate: f64, step: u32) -> u32 {
        let offset = (coordinate - self.min) / (self.max - self.min);
        (offset * two_to(step)) as u32
    }

    /// The part with an index.
    fn cut(&self, part: u32, step: u32) -> Extent {
        let scale = self.max - self.min;
        let edge = |part: u32| self.min + (f64::from(part) / two_to(step)) * scale;
        Extent {
            min: edge(part),
            max: edge(part.wrapping_add(1)),
        }
    }

    fn middle(&self) -> f64 {
        (self.min + self.max) / 2.0
    }
}

fn two_to(step: u32) -> f64 {
    (1u64 << step) as f64
}

/// A point, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Longitude, positive to the east.
    pub longitude: f64,
    /// Latitude, positive to the north.
    pub latitude: f64,
}

impl Point {
    /// The score of a member at this point.
    pub fn score(self) -> u64 {
        Cell::of(self, LATITUDE, STEPS).bits
    }

    /// The point of a member: the centre of the cell that its score denotes.
    pub fn of_score(score: f64) -> Point {
        let cell = Cell {
            bits: bits_of(score),
            step: STEPS,
        };
        let (longitude, latitude) = cell.area();
        Point {
            longitude: longitude.middle().clamp(LONGITUDE.min, LONGITUDE.max),
            latitude: latitude.middle().clamp(LATITUDE.min, LATITUDE.max),
        }
    }

    /// The standard geohash. Its last letter would need more bits than the score has, so it is always the first letter
    /// of the alphabet.
    pub fn geohash(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::of(self, ALL_LATITUDES, STEPS).bits;
        let mut text = [LETTERS[0]; 11];
        for (letter, shift) in text.iter_mut().zip((2..=47).rev().step_by(5)) {
            *letter = LETTERS[(bits >> shift & 31) as usize];
        }
        text
    }

    /// Distance to another point in metres, by the haversine formula.
    pub fn distance(self, other: Point) -> f64 {
        let v = ((other.longitude * DEGREE - self.longitude * DEGREE) / 2.0).sin();
        if v == 0.0 {
            return self.latitude_distance(other);
        }
        let (one, two) = (self.latitude * DEGREE, other.latitude * DEGREE);
        let u = ((two - one) / 2.0).sin();
        let a = u * u + one.cos() * two.cos() * v * v;
        // Clamped, since rounding can exceed 1 for antipodal points and the arcsine would be NaN.
        2.0 * EARTH_RADIUS * a.sqrt().min(1.0).asin()
    }

    /// Like [`Point::distance`], to the point at another latitude on the same longitude.
    fn latitude_distance(self, other: Point) -> f64 {
        EARTH_RADIUS * (other.latitude * DEGREE - self.latitude * DEGREE).abs()
    }
}

/// The bits of a score. Any sorted set can be used as a geospatial index, so the score may be any number; one that
/// does not fit is converted as on x86.
fn bits_of(score: f64) -> u64 {
    const TWO_TO_63: f64 = (1u64 << 63) as f64;
    if score < TWO_TO_63 {
        score as i64 as u64
    } else if score < 2.0 * TWO_TO_63 {
        score as u64
    } else {
        0
    }
}

/// A cell of the grid with 2^`step` columns and rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    bits: u64,
    step: u32,
}

impl Cell {
    fn of(point: Point, latitudes: Extent, step: u32) -> Cell {
        let latitude = latitudes.part(point.latitude, step);
        let longitude = LONGITUDE.part(point.longitude, step);
        Cell {
            bits: spread(latitude) | spread(longitude) << 1,
            step,
        }
    }

    /// The longitudes and latitudes that it covers.
    fn area(self) -> (Extent, Extent) {
        let longitude = LONGITUDE.cut(gather(self.bits >> 1), self.step);
        let latitude = LATITUDE.cut(gather(self.bits), self.step);
        (longitude, latitude)
    }

    /// The cell some columns to the east and rows to the north; both wrap around.
    fn neighbour(self, (east, north): (i32, i32)) -> Cell {
        Cell {
            bits: self.moved(ODD, east) | self.moved(EVEN, north),
            step: self.step,
        }
    }

    /// One coordinate, moved by at most one. With the gaps between its bits filled, a carry propagates from bit to
    /// bit. An unmoved coordinate keeps all its bits: the longitude 180 has one more than the others.
    fn moved(self, own: u64, by: i32) -> u64 {
        if by == 0 {
            return self.bits & own;
        }
        let all = u64::MAX >> (64 - 2 * self.step);
        let (own, gaps) = (own & all, !own & all);
        let bits = self.bits & own;
        let moved = if by > 0 {
            bits.wrapping_add(gaps + 1)
        } else {
            (bits | gaps).wrapping_sub(gaps + 1)
        };
        moved & own
    }

    /// The scores of the points in it, as a half-open range.
    pub fn scores(self) -> Range<f64> {
        let shift = 2 * (STEPS - self.step);
        let score = |bits: u64| (bits << shift) as f64;
        score(self.bits)..score(self.bits + 1)
    }
}

/// Shift distances and masks for interleaving.
const SPREADING: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, EVEN),
];

/// Spreads the bits of a number to the even positions.
fn spread(number: u32) -> u64 {
    let together = u64::from(number);
    SPREADING
        .iter()
        .fold(together, |bits, (by, mask)| (bits | bits << by) & mask)
}

/// Inverse of `spread`: collects the bits at the even positions.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & EVEN;
    for (index, (by, _)) in SPREADING.iter().enumerate().rev() {
        let mask = if index == 0 {
            u64::from(u32::MAX)
        } else {
            SPREADING[index - 1].1
        };
        bits = (bits | bits >> by) & mask;
    }
    bits as u32
}

/// Shape of a search, in the unit of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// A circle.
    Circle {
        /// The radius.
        radius: f64,
    },
    /// A rectangle along the meridians.
    Rectangle {
        /// Extent from west to east.
        width: f64,
        /// Extent from south to north.
        height: f64,
    },
}

/// A search around a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The centre.
    pub centre: Point,
    /// The shape.
    pub form: Shape,
    /// Metres per unit.
    pub unit: f64,
}

/// The nine cells that are visited, as columns to the east and rows to the north.
const AROUND: [(i32, i32); 9] = [
    (0, 0),
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
];

impl Search {
    /// The distance of a point in metres, if it is inside the shape.
    pub fn distance(&self, point: Point) -> Option<f64> {
        match self.form {
            Shape::Circle { radius } => {
                let distance = self.centre.distance(point);
                (distance <= radius * self.unit).then_some(distance)
            }
            Shape::Rectangle { width, height } => {
                // Checks the latitude alone first, which is cheaper.
                if point.latitude_distance(self.centre) > height * self.unit / 2.0 {
                    return None;
                }
                let beside = Point {
                    longitude: self.centre.longitude,
                    ..point
                };
                let inside = point.distance(beside) <= width * self.unit / 2.0;
                inside.then(|| self.centre.distance(point))
            }
        }
    }

    /// The cells that cover the search.
    pub fn cells(&self) -> Vec<Cell> {
        let (longitudes, latitudes) = self.bounds();
        let mut step = self.step();
        let mut centre = Cell::of(self.centre, LATITUDE, step);
        if step > 1 && !covers(centre, longitudes, latitudes) {
            step -= 1;
            centre = Cell::of(self.centre, LATITUDE, step);
        }
        let (columns, rows) = centre.area();
        let mut cells: Vec<Cell> = Vec::with_capacity(AROUND.len());
        for around in AROUND {
            // Cells beyond an edge that the search does not reach are skipped.
            let useless = match around {
                _ if step < 2 => false,
                (-1, _) if columns.min < longitudes.min => true,
                (1, _) if columns.max > longitudes.max => true,
                (_, -1) if rows.min < latitudes.min => true,
                (_, 1) if rows.max > latitudes.max => true,
                _ => false,
            };
            let cell = centre.neighbour(around);
            // In a grid of two columns the eastern and western neighbours are the same.
            let again = cells.len() > 1 && cells.last() == Some(&cell);
            if !useless && !again {
                cells.push(cell);
            }
        }
        cells
    }

    /// The bounding box. Computed at the latitude nearest to a pole, where it spans the most degrees of longitude.
    fn bounds(&self) -> (Extent, Extent) {
        let (width, height) = match self.form {
            Shape::Circle { radius } => (radius, radius),
            Shape::Rectangle { width, height } => (width / 2.0, height / 2.0),
        };
        let (width, height) = (self.unit * width, self.unit * height);
        let Point {
            longitude,
            latitude,
        } = self.centre;
        let north = height / EARTH_RADIUS / DEGREE;
        let edge = if latitude < 0.0 {
            latitude - north
        } else {
            latitude + north
        };
        let east = width / EARTH_RADIUS / (edge * DEGREE).cos() / DEGREE;
        let around = |middle: f64, by: f64| Extent {
            min: middle - by,
            max: middle + by,
        };
        (around(longitude, east), around(latitude, north))
    }

    /// Estimate of the finest grid in which nine cells cover the search.
    fn step(&self) -> u32 {
        let mut metres = self.unit
            * match self.form {
                Shape::Circle { radius } => radius,
                Shape::Rectangle { width, height } => {
                    let (width, height) = (width / 2.0, height / 2.0);
                    (width * width + height * height).sqrt()
                }
            };
        if metres == 0.0 {
            return STEPS;
        }
        let mut step = -1;
        while metres < MERCATOR_MAX {
            metres *= 2.0;
            step += 1;
        }
        // Columns are narrower towards the poles.
        step -= match self.centre.latitude.abs() {
            latitude if latitude > 80.0 => 2,
            latitude if latitude > 66.0 => 1,
            _ => 0,
        };
        step.clamp(1, STEPS as i32) as u32
    }
}

/// Whether the cells around `centre` extend to these bounds on every side.
fn covers(centre: Cell, longitudes: Extent, latitudes: Extent) -> bool {
    let columns = |east| centre.neighbour((east, 0)).area().0;
    let rows = |north| centre.neighbour((0, north)).area().1;
    rows(1).max >= latitudes.max
        && rows(-1).min <= latitudes.min
        && columns(1).max >= longitudes.max
        && columns(-1).min <= longitudes.min
}

#[cfg(test)]
mod tests {
    use super::{Cell, LATITUDE, LONGITUDE, Point, STEPS, Search, Shape, gather, spread};
    use crate::util::rand::Rng;

    fn point(longitude: f64, latitude: f64) -> Point {
        Point {
            longitude,
            latitude,
        }
    }

    fn random(rng: &mut Rng) -> Point {
        point(
            LONGITUDE.min + rng.unit() * 360.0,
            LATITUDE.min + rng.unit() * (LATITUDE.max - LATITUDE.min),
        )
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        let mut rng = Rng::new(1);
        for _ in 0..1000 {
            let (one, two) = (rng.next_u64() as u32, rng.next_u64() as u32);
            let bits = spread(one) | spread(two) << 1;
            assert_eq!((gather(bits), gather(bits >> 1)), (one, two));
        }
    }

    /// The points and scores in Redis's documentation of GEOADD, GEOHASH and GEODIST.
    #[test]
    fn known_places() {
        let table = [
            (point(13.361389, 38.115556), 3479099956230698, "sqc8b49rny0"),
            (point(15.087269, 37.502669), 3479447370796909, "sqdtr74hyu0"),
        ];
        for (place, score, geohash) in table {
            assert_eq!(place.score(), score);
            let stored = Point::of_score(score as f64);
            assert!(place.distance(stored) < 0.5);
            assert_eq!(stored.geohash(), geohash.as_bytes());
        }
        let [one, two] = table.map(|(_, score, _)| Point::of_score(score as f64));
        assert_eq!(format!("{:.4}", one.distance(two)), "166274.1516");
    }

    /// The longitude 180 has one more bit than the others; a search there must visit both sides of it.
    #[test]
    fn search_at_longitude_180() {
        let place = Point::of_score(point(180.0, 21.17).score() as f64);
        for radius in [1.0, 1000.0, 1e6] {
            let search = Search {
                centre: place,
                form: Shape::Circle { radius },
                unit: 1.0,
            };
            let score = place.score() as f64;
            let found = search
                .cells()
                .iter()
                .any(|cell| cell.scores().contains(&score));
            assert!(found, "within {radius} m");
        }
    }

    #[test]
    fn neighbours_wrap_around() {
        let corner = Cell { bits: 0, step: 2 };
        assert_eq!(corner.neighbour((-1, -1)).bits, 0b1111);
        assert_eq!(corner.neighbour((1, 0)).bits, 0b0010);
        assert_eq!(corner.neighbour((0, 1)).bits, 0b0001);
        let mut rng = Rng::new(2);
        for _ in 0..1000 {
            let step = 1 + rng.below(u64::from(STEPS)) as u32;
            let cell = Cell::of(random(&mut rng), LATITUDE, step);
            for (east, north) in super::AROUND {
                let there = cell.neighbour((east, north));
                assert_eq!(there.neighbour((-east, -north)), cell);
            }
        }
    }

    #[test]
    fn cells_cover_the_search() {
        let mut rng = Rng::new(3);
        for _ in 0..20_000 {
            let centre = random(&mut rng);
            let size = 10f64.powf(rng.unit() * 6.0);
            let form = if rng.below(2) == 0 {
                Shape::Circle { radius: size }
            } else {
                let (width, height) = (size, size * rng.unit());
                Shape::Rectangle { width, height }
            };
            let search = Search {
                centre,
                form,
                unit: 1.0,
            };
            let scores: Vec<_> = search.cells().into_iter().map(Cell::scores).collect();
            let degrees = size / 111_000.0;
            let near = point(
                (centre.longitude + (rng.unit() - 0.5) * degrees).clamp(-179.9, 179.9),
                (centre.latitude + (rng.unit() - 0.5) * degrees).clamp(-85.0, 85.0),
            );
            let score = near.score() as f64;
            let inside = search.distance(Point::of_score(score)).is_some();
            assert!(
                !inside || scores.iter().any(|range| range.contains(&score)),
                "{search:?} {near:?}"
            );
        }
    }

    #[test]
    fn any_score_is_a_point() {
        for score in [
            -5.0,
            -1e300,
            1e19,
            1e300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.5,
        ] {
            let place = Point::of_score(score);
            assert!(LONGITUDE.contains(place.longitude) && LATITUDE.contains(place.latitude));
        }
    }

    #[test]
    fn antipodal_points_have_a_distance() {
        for longitude in -180..=0 {
            for latitude in -85..=85 {
                let (longitude, latitude) = (f64::from(longitude), f64::from(latitude));
                let distance =
                    point(longitude, latitude).distance(point(longitude + 180.0, -latitude));
                assert!(distance.is_finite());
            }
        }
    }
}

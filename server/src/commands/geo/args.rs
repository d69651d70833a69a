//! Coordinates and distances as arguments.

use data::util::geo::{LATITUDE, LONGITUDE, Point, Shape};
use data::util::num::parse_f64;

use crate::commands::args::{Args, float};
use crate::wire::fault::Fault;

/// Takes a longitude and a latitude.
///
/// # Errors
/// They are not numbers, or out of range.
pub fn point(args: &mut Args<'_>) -> Result<Point, Fault> {
    let (longitude, latitude) = (float(args.need()?)?, float(args.need()?)?);
    if LONGITUDE.contains(longitude) && LATITUDE.contains(latitude) {
        return Ok(Point {
            longitude,
            latitude,
        });
    }
    Err(Fault::new(format!(
        "ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
    )))
}

/// The metres per unit of length.
///
/// # Errors
/// The unit is unknown.
pub fn unit(name: &[u8]) -> Result<f64, Fault> {
    match name.to_ascii_lowercase().as_slice() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(Fault::new(
            "ERR unsupported unit provided. please use M, KM, FT, MI",
        )),
    }
}

/// Takes a radius and its unit.
///
/// # Errors
/// It is not a number, negative, or the unit is unknown.
pub fn circle(args: &mut Args<'_>) -> Result<(Shape, f64), Fault> {
    let radius = length(args.need()?, "radius")?;
    if radius < 0.0 {
        return Err(Fault::new("ERR radius cannot be negative"));
    }
    Ok((Shape::Circle { radius }, unit(args.need()?)?))
}

/// Takes a width, a height and their unit.
///
/// # Errors
/// They are not numbers, negative, or the unit is unknown.
pub fn rectangle(args: &mut Args<'_>) -> Result<(Shape, f64), Fault> {
    let width = length(args.need()?, "width")?;
    let height = length(args.need()?, "height")?;
    if height < 0.0 || width < 0.0 {
        return Err(Fault::new("ERR height or width cannot be negative"));
    }
    Ok((Shape::Rectangle { width, height }, unit(args.need()?)?))
}

fn length(arg: &[u8], what: &str) -> Result<f64, Fault> {
    parse_f64(arg).ok_or_else(|| Fault::new(format!("ERR need numeric {what}")))
}

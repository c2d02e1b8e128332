//! Curves as an SVG: a panel for each, deliveries per second over what was varied.

use std::fmt::Write;

use crate::sweep::{Curve, Point};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 200.0;
/// Around a panel's lines: room for numbers and names.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 34.0;
const COLUMNS: usize = 2;
/// Colours that are read on light and dark.
const LINE: &str = "#2f7ed8";
const TEXT: &str = "#808080";

/// Draws them.
pub fn draw(curves: &[Curve]) -> String {
    let rows = curves.len().div_ceil(COLUMNS);
    let (width, height) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\" fill=\"{TEXT}\">\n<title>Deliveries per second</title>\n"
    );
    for (index, curve) in curves.iter().enumerate() {
        let (x, y) = (
            WIDTH * (index % COLUMNS) as f64,
            HEIGHT * (index / COLUMNS) as f64,
        );
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">\n{}</g>", panel(curve));
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(curve: &Curve) -> String {
    let rates = curve
        .points
        .iter()
        .map(|point| point.figures.delivered_per_second);
    let top = ceiling(rates.fold(0.0, f64::max));
    let places: Vec<(f64, f64)> = curve
        .points
        .iter()
        .enumerate()
        .map(|(index, point)| place(index, curve.points.len(), point, top))
        .collect();
    let mut panel = format!(
        "<text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">deliveries/s by {}</text>\n",
        curve.axis.name()
    );
    for share in [0.0, 0.5, 1.0] {
        let y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share);
        let _ = writeln!(
            panel,
            "<path d=\"M{LEFT} {y}H{right}\" stroke=\"{TEXT}\" stroke-opacity=\"0.4\"/>\
             <text x=\"{label}\" y=\"{text_y}\" text-anchor=\"end\">{number:.0}</text>",
            right = WIDTH - RIGHT,
            label = LEFT - 6.0,
            text_y = y + 4.0,
            number = top * share,
        );
    }
    let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        panel,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{LINE}\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    for (point, (x, y)) in curve.points.iter().zip(&places) {
        let _ = writeln!(
            panel,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{LINE}\"/>\
             <text x=\"{x:.1}\" y=\"{label}\" text-anchor=\"middle\">{at}</text>",
            label = HEIGHT - BOTTOM + 18.0,
            at = short(point.at),
        );
    }
    panel
}

fn place(index: usize, count: usize, point: &Point, top: f64) -> (f64, f64) {
    let share = index as f64 / (count.max(2) - 1) as f64;
    let x = LEFT + 12.0 + (WIDTH - LEFT - RIGHT - 24.0) * share;
    let y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - point.figures.delivered_per_second / top);
    (x, y)
}

/// The next round number.
fn ceiling(rate: f64) -> f64 {
    const STEP: f64 = 2000.0;
    (rate / STEP).ceil().max(1.0) * STEP
}

/// `10k` for 10000.
fn short(number: u32) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{}k", number / 1000),
        _ => format!("{}M", number / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_a_line_are_short() {
        assert_eq!(
            [0, 256, 10_000, 10_000_000].map(short),
            ["0", "256", "10k", "10M"]
        );
    }

    #[test]
    fn the_highest_rate_fits_below_a_round_number() {
        assert_eq!(
            [0.0, 1.0, 2000.0, 9100.5].map(ceiling),
            [2000.0, 2000.0, 2000.0, 10_000.0]
        );
    }
}

//! The drawings of insights as SVG: stacked bars, pairs of bars, a heat map, bars that lie. Made of numbers, and of titles
//! that are ours: names of users stand beside a drawing, never in it. Words stand outside of it, because it stretches.

use std::fmt::Write as _;

use askama::filters::Safe;

use crate::layout::show::{self, Markup};

/// A drawing's width and height, in its own units.
const WIDTH: u64 = 960;
const HEIGHT: u64 = 160;
/// The size of a cell of the heat map.
const CELL: u64 = 40;
/// How many shades the heat map has.
const SHADES: u64 = 5;
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// What a drawing says of itself.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Unlike any other on the page.
    pub id: &'static str,
    pub title: &'static str,
    pub description: &'a str,
}

/// One bar: what it is of, and its parts from the ground up, or from behind to before.
#[derive(Debug, Clone)]
pub struct Bar {
    /// A day, and what happened on it.
    pub title: String,
    pub parts: Vec<u64>,
}

/// Bars whose parts stand on each other. The classes of the parts are `part-0`, `part-1`, …
pub fn stacked(about: About<'_>, bars: &[Bar]) -> Markup {
    let most = bars.iter().map(|bar| bar.parts.iter().sum::<u64>()).max();
    drawn(about, bars, |svg, bar, place| {
        let mut ground = HEIGHT;
        for (part, value) in bar.parts.iter().enumerate() {
            let tall = height_of(*value, most).min(ground);
            ground -= tall;
            rect(svg, part, place, ground, tall);
        }
    })
}

/// Bars whose parts stand before each other, the tallest behind.
pub fn layered(about: About<'_>, bars: &[Bar]) -> Markup {
    let most = bars.iter().flat_map(|bar| bar.parts.iter().copied()).max();
    drawn(about, bars, |svg, bar, place| {
        for (part, value) in bar.parts.iter().enumerate() {
            let tall = height_of(*value, most);
            rect(svg, part, place, HEIGHT - tall, tall);
        }
    })
}

fn drawn(about: About<'_>, bars: &[Bar], draw: impl Fn(&mut String, &Bar, (u64, u64))) -> Markup {
    let mut svg = beginning(about, "chart large steps", (WIDTH, HEIGHT));
    let count = (bars.len() as u64).max(1);
    let counted = |(_, bar): &(u64, &Bar)| bar.parts.iter().any(|value| *value > 0);
    for (index, bar) in (0u64..).zip(bars).filter(counted) {
        let (x, end) = (index * WIDTH / count, (index + 1) * WIDTH / count);
        let gap = ((end - x) / 5).min(12);
        let _ = write!(svg, "<g><title>{}</title>", bar.title);
        draw(&mut svg, bar, (x, (end - x - gap).max(1)));
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    Safe(svg)
}

/// Whatever happened is at least two units high.
fn height_of(value: u64, most: Option<u64>) -> u64 {
    let most = most.unwrap_or(0).max(1);
    let tall = u128::from(value) * u128::from(HEIGHT) / u128::from(most);
    match value {
        0 => 0,
        _ => u64::try_from(tall).unwrap_or(HEIGHT).max(2),
    }
}

fn rect(svg: &mut String, part: usize, (x, width): (u64, u64), y: u64, tall: u64) {
    if tall > 0 {
        let _ = write!(
            svg,
            "<rect class=\"part-{part}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{tall}\"/>"
        );
    }
}

/// A week of hours, the busier the darker.
pub fn heat_map(about: About<'_>, hours: &[[u64; 24]; 7]) -> Markup {
    let most = hours.iter().flatten().copied().max().unwrap_or(0).max(1);
    let mut svg = beginning(about, "chart heat", (24 * CELL, 7 * CELL));
    for (row, (weekday, day)) in (0u64..).zip(WEEKDAYS.iter().zip(hours)) {
        let (wide, tall) = (24 * CELL, CELL - 3);
        let _ = write!(
            svg,
            "<rect y=\"{}\" width=\"{wide}\" height=\"{tall}\"/>",
            row * CELL
        );
        for (hour, count) in (0u64..).zip(day).filter(|(_, count)| **count > 0) {
            let shade = (count * SHADES).div_ceil(most);
            let _ = write!(
                svg,
                "<rect class=\"shade-{shade}\" x=\"{}\" y=\"{}\" width=\"{tall}\" height=\"{tall}\"><title>{weekday}, \
                 {hour}:00: {}</title></rect>",
                hour * CELL,
                row * CELL,
                show::count(*count)
            );
        }
    }
    svg.push_str("</svg>");
    Safe(svg)
}

/// The names of the rows of a heat map.
pub fn weekdays() -> [&'static str; 7] {
    WEEKDAYS
}

/// A bar that lies: its parts, out of what a whole one would be. What it is of is said beside it.
pub fn lying(parts: &[u64], most: u64) -> Markup {
    let mut svg = format!(
        "<svg class=\"chart lying\" viewBox=\"0 0 {WIDTH} 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"track\" width=\"{WIDTH}\" height=\"12\"/>"
    );
    let mut x = 0;
    for (part, value) in parts.iter().enumerate().filter(|(_, value)| **value > 0) {
        let wide = u128::from(*value) * u128::from(WIDTH) / u128::from(most.max(1));
        let wide = u64::try_from(wide).unwrap_or(WIDTH).max(4).min(WIDTH - x);
        let _ = write!(
            svg,
            "<rect class=\"part-{part}\" x=\"{x}\" width=\"{wide}\" height=\"12\"/>"
        );
        x += wide;
    }
    svg.push_str("</svg>");
    Safe(svg)
}

fn beginning(about: About<'_>, class: &str, (width, height): (u64, u64)) -> String {
    let About {
        id,
        title,
        description,
    } = about;
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-description\"><title id=\"{id}-title\">{title}</title>\
         <desc id=\"{id}-description\">{description}</desc>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About {
        id: "a",
        title: "A",
        description: "a chart",
    };

    fn bar(parts: &[u64]) -> Bar {
        Bar {
            title: "2026-01-05".into(),
            parts: parts.to_vec(),
        }
    }

    #[test]
    fn what_happened_once_among_a_million_can_be_seen() {
        let svg = stacked(ABOUT, &[bar(&[1_000_000, 0]), bar(&[0, 1])]).0;
        assert!(svg.contains("class=\"part-1\" x=\"480\" y=\"158\""), "{svg}");
        assert!(svg.contains("height=\"160\""), "{svg}");
        assert!(lying(&[1_000_000, 1], 1_000_001).0.contains("part-0"));
    }

    #[test]
    fn a_drawing_of_nothing_divides_by_nothing() {
        assert!(!stacked(ABOUT, &[]).0.contains("<g>"));
        assert!(!layered(ABOUT, &[bar(&[0, 0])]).0.contains("<rect"));
        assert!(!heat_map(ABOUT, &[[0; 24]; 7]).0.contains("shade-"));
        assert!(!lying(&[0], 0).0.contains("part-"));
    }

    #[test]
    fn as_many_bars_as_a_period_may_have_stand_beside_each_other() {
        let bars: Vec<_> = (0..366).map(|_| bar(&[1])).collect();
        assert_eq!(stacked(ABOUT, &bars).0.matches("<rect").count(), 366);
    }
}

//! Charts as SVG: attempts over time as stacked bars, small and large, and the phases of an attempt as a waterfall. Made
//! of numbers and words of ours alone.

use std::fmt::Write as _;

use askama::filters::Safe;

use crate::layout::show::{self, Markup};
use model::activity::{ACTIVITY_PERIOD, Activity, Histogram, period_of};
use model::exchange::PhaseTimings;
use model::id::WebhookId;
use model::time::Timestamp;

/// The bars of a chart: one for each period of a day, the present one among them.
const BARS: usize = 48;
/// A large chart's width and height, in its own units.
const LARGE: (u32, u32) = (960, 160);
/// A small one's.
const SMALL: (u32, u32) = (288, 32);

/// What attempts came to in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bar {
    delivered: u64,
    retried: u64,
    dead: u64,
}

impl Bar {
    fn total(self) -> u64 {
        self.delivered + self.retried + self.dead
    }
}

/// A day of attempts, of one webhook or of all.
#[derive(Debug, Clone)]
pub struct Day {
    starts_at: Timestamp,
    bars: Vec<Bar>,
    attempt_times: Histogram,
    delivery_times: Histogram,
}

/// A webhook is slow whose 95th percentile of the time of an attempt is not below this, in microseconds: receivers should answer
/// at once and work later.
const SLOW_US: u64 = 2_000_000;
/// Of fewer attempts nothing is said.
const MIN_ATTEMPTS: u64 = 5;

/// When the first bar of a chart begins.
pub fn chart_start(now: Timestamp) -> Timestamp {
    let periods = u32::try_from(BARS - 1).unwrap_or(u32::MAX);
    period_of(now).minus(ACTIVITY_PERIOD * periods)
}

impl Day {
    /// The last day of one webhook, or of all.
    pub fn new(activity: &[Activity], webhook_id: Option<WebhookId>, now: Timestamp) -> Self {
        let starts_at = chart_start(now);
        let mut day = Self {
            starts_at,
            bars: vec![Bar::default(); BARS],
            attempt_times: Histogram::default(),
            delivery_times: Histogram::default(),
        };
        let wanted = activity.iter().filter(|period| {
            webhook_id.is_none_or(|id| id == period.webhook_id) && period.period_at >= starts_at
        });
        for period in wanted {
            day.add(period);
        }
        day
    }

    fn add(&mut self, period: &Activity) {
        let offset = period.period_at.since(self.starts_at).as_secs() / ACTIVITY_PERIOD.as_secs();
        let index = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(bar) = self.bars.get_mut(index) {
            bar.delivered += period.delivered;
            bar.retried += period.retried;
            bar.dead += period.dead;
            self.attempt_times.merge(&period.attempt_times);
            self.delivery_times.merge(&period.delivery_times);
        }
    }

    fn sum(&self, count: impl Fn(&Bar) -> u64) -> u64 {
        self.bars.iter().map(count).sum()
    }

    /// Attempts that delivered.
    pub fn delivered(&self) -> u64 {
        self.sum(|bar| bar.delivered)
    }

    /// Attempts that failed and were followed by another.
    pub fn retried(&self) -> u64 {
        self.sum(|bar| bar.retried)
    }

    /// Deliveries that died.
    pub fn dead(&self) -> u64 {
        self.sum(|bar| bar.dead)
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.sum(|bar| bar.total()) == 0
    }

    /// The share of events that arrived, of those whose delivery has ended.
    pub fn arrival_rate(&self) -> Option<String> {
        show::percent(self.delivered(), self.delivered() + self.dead())
    }

    /// The share of attempts that delivered.
    pub fn attempt_rate(&self) -> Option<String> {
        show::percent(self.delivered(), self.sum(|bar| bar.total()))
    }

    /// Between what the 95th percentile of the time of an attempt lies.
    pub fn p95(&self) -> Option<String> {
        self.attempt_times
            .percentile_between(95)
            .map(show::micros_between)
    }

    /// The same if it is slow.
    pub fn slow_p95(&self) -> Option<String> {
        let p95 = self.attempt_times.percentile_between(95)?;
        let is_slow = p95.0 >= SLOW_US && self.sum(|bar| bar.total()) >= MIN_ATTEMPTS;
        is_slow.then(|| show::micros_between(p95))
    }

    /// Between what the median time from event to delivery lies.
    pub fn median_delivery(&self) -> Option<String> {
        self.delivery_times
            .percentile_between(50)
            .map(show::micros_between)
    }

    /// A large chart with its axis. The words stand outside of the drawing, which stretches with the page.
    pub fn chart(&self) -> Markup {
        let (width, height) = LARGE;
        let label = self.sentence();
        let most = self.bars.iter().map(|bar| bar.total()).max().unwrap_or(0);
        let mut html = format!(
            "<div class=\"chart-frame\"><span class=\"most\">{}</span><svg class=\"chart large\" viewBox=\"0 0 {width} \
             {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\">",
            show::count(most)
        );
        self.draw_bars(&mut html, LARGE, Titles::Shown);
        html.push_str("</svg><div class=\"axis\" aria-hidden=\"true\">");
        for words in ["24 h ago", "18 h", "12 h", "6 h", "now"] {
            let _ = write!(html, "<span>{words}</span>");
        }
        html.push_str("</div></div>");
        Safe(html)
    }

    /// A small chart without words.
    pub fn sparkline(&self) -> Markup {
        let (width, height) = SMALL;
        let label = self.sentence();
        let mut svg = format!(
            "<svg class=\"chart spark\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\">"
        );
        let step = width / 48;
        for index in (0u32..48).filter(|index| self.bars[*index as usize].total() == 0) {
            let _ = write!(
                svg,
                "<rect class=\"none\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"2\"/>",
                index * step,
                height - 2,
                step - 1
            );
        }
        self.draw_bars(&mut svg, SMALL, Titles::Left);
        svg.push_str("</svg>");
        Safe(svg)
    }

    fn sentence(&self) -> String {
        format!(
            "Attempts in the last 24 hours: {} delivered, {} failed and retried, {} dead",
            self.delivered(),
            self.retried(),
            self.dead()
        )
    }

    fn draw_bars(&self, svg: &mut String, (width, height): (u32, u32), titles: Titles) {
        let most = self.bars.iter().map(|bar| bar.total()).max().unwrap_or(0).max(1);
        let step = width / 48;
        let gap = (step / 5).max(1);
        let mut x = 0;
        for (bar, at) in self.bars.iter().zip(0u32..) {
            if bar.total() > 0 {
                svg.push_str("<g>");
                if titles == Titles::Shown {
                    let starts_at = show::exact(self.starts_at.plus(ACTIVITY_PERIOD * at));
                    let _ = write!(
                        svg,
                        "<title>{starts_at}: {} delivered, {} retried, {} dead</title>",
                        bar.delivered, bar.retried, bar.dead
                    );
                }
                draw_bar(svg, *bar, most, (x, step - gap, height));
                svg.push_str("</g>");
            }
            x += step;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Titles {
    Shown,
    Left,
}

/// One bar, from the ground up: delivered, retried, dead. Whatever happened is at least two units high.
fn draw_bar(svg: &mut String, bar: Bar, most: u64, (x, width, height): (u32, u32, u32)) {
    let mut ground = u64::from(height);
    for (class, count) in [
        ("delivered", bar.delivered),
        ("retried", bar.retried),
        ("dead", bar.dead),
    ] {
        if count == 0 {
            continue;
        }
        let tall = (count.saturating_mul(u64::from(height)) / most)
            .max(2)
            .min(ground);
        ground -= tall;
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{ground}\" width=\"{width}\" height=\"{tall}\"/>"
        );
    }
}

/// One phase of an attempt, as a bar on the time of the whole.
pub struct Phase {
    /// What happened.
    pub name: &'static str,
    pub bar: Markup,
    /// How long it took.
    pub took: String,
}

/// The phases of an attempt, one below the other.
pub fn waterfall(timings: &PhaseTimings) -> Vec<Phase> {
    let known = [
        ("DNS", timings.dns_us, ""),
        ("Connect", timings.connect_us, ""),
        ("TLS", timings.tls_us, ""),
        ("First byte", timings.first_byte_us, " wait"),
    ];
    let mut begun = 0;
    let mut phases = Vec::new();
    for (name, took, class) in known {
        let Some(took) = took else { continue };
        phases.push(phase(name, begun, took, timings.total_us, class));
        begun += took;
    }
    let rest = timings.total_us.saturating_sub(begun);
    if timings.first_byte_us.is_some() {
        phases.push(phase("Body", begun, rest, timings.total_us, ""));
    } else if rest > 0 {
        phases.push(phase("Waiting", begun, rest, timings.total_us, " wait"));
    }
    phases
}

fn phase(name: &'static str, begun: u64, took: u64, total: u64, class: &'static str) -> Phase {
    const WIDTH: u64 = 1000;
    let total = total.max(1);
    let x = begun.saturating_mul(WIDTH) / total;
    let width = (took.saturating_mul(WIDTH) / total).max(4);
    let x = x.min(WIDTH - width.min(WIDTH));
    let bar = format!(
        "<svg viewBox=\"0 0 {WIDTH} 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"track\" \
         width=\"{WIDTH}\" height=\"12\" rx=\"2\"/><rect class=\"bar{class}\" x=\"{x}\" width=\"{width}\" height=\"12\" \
         rx=\"2\"/></svg>"
    );
    Phase {
        name,
        bar: Safe(bar),
        took: show::micros(took),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-05T12:10:00Z".parse().unwrap()
    }

    fn activity(period_at: Timestamp, delivered: u64, retried: u64, dead: u64) -> Activity {
        Activity {
            webhook_id: WebhookId::new(Timestamp::EPOCH, [1; 10]),
            period_at,
            delivered,
            retried,
            dead,
            attempt_times: Histogram::default(),
            delivery_times: Histogram::default(),
        }
    }

    #[test]
    fn a_day_counts_what_lies_in_it_and_nothing_older() {
        let start = chart_start(now());
        let rows = [
            activity(start.minus(ACTIVITY_PERIOD), 100, 0, 0),
            activity(start, 1, 2, 3),
            activity(period_of(now()), 4, 0, 0),
        ];
        let day = Day::new(&rows, None, now());
        assert_eq!((day.delivered(), day.retried(), day.dead()), (5, 2, 3));
        assert_eq!(day.attempt_rate().as_deref(), Some("50.0 %"));
        assert_eq!(day.arrival_rate().as_deref(), Some("62.5 %"));
        let other = Day::new(&rows, Some(WebhookId::new(Timestamp::EPOCH, [2; 10])), now());
        assert!(other.is_empty() && other.arrival_rate().is_none());
    }

    #[test]
    fn a_single_dead_delivery_among_thousands_can_be_seen() {
        let day = Day::new(&[activity(period_of(now()), 100_000, 0, 1)], None, now());
        assert!(day.chart().0.contains("class=\"dead\"") && day.sparkline().0.contains("height=\"2\""));
    }

    #[test]
    fn phases_follow_each_other_and_the_rest_is_the_body() {
        let timings = PhaseTimings {
            dns_us: None,
            connect_us: Some(1000),
            tls_us: None,
            first_byte_us: Some(8000),
            total_us: 10_000,
        };
        let shown: Vec<_> = waterfall(&timings)
            .into_iter()
            .map(|phase| (phase.name, phase.took))
            .collect();
        let expected = [
            ("Connect", "1.0 ms"),
            ("First byte", "8.0 ms"),
            ("Body", "1.0 ms"),
        ];
        assert_eq!(shown, expected.map(|(name, took)| (name, took.to_owned())));
        assert!(waterfall(&timings)[1].bar.0.contains("x=\"100\" width=\"800\""));
    }

    #[test]
    fn an_attempt_that_never_came_to_an_answer_shows_its_waiting() {
        let timings = PhaseTimings {
            connect_us: Some(5),
            total_us: 10_000_000,
            ..PhaseTimings::default()
        };
        assert_eq!(
            waterfall(&timings).last().map(|phase| phase.name),
            Some("Waiting")
        );
    }
}

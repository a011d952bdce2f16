//! The picture of a latency: which share of the requests of each side took at most so long, with the band around
//! it in which the truth lies. Drawn here as SVG, and said in words and figures for those who do not see it.

use maud::{Markup, html};
use model::api::change::{LatencyPicture, SignalView};
use model::judge::{Band, BandPoint};
use model::words;

/// The picture in units of its own; the style sheet says how large it is.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 190.0;
/// Room for the labels at the right and below.
const RIGHT: f64 = 42.0;
const BELOW: f64 = 18.0;
const ABOVE: f64 = 6.0;
/// Labels of times that have room beside each other.
const LABELS: usize = 4;

/// Draws the latencies among the signals; nothing where none has requests on both sides.
pub(super) fn pictures(signals: &[SignalView]) -> Markup {
    html! {
        @for signal in signals {
            @if let Some(picture) = &signal.picture
                && let Some(drawing) = Drawing::of(picture) {
                (figure(&signal.name, picture, &drawing))
            }
        }
    }
}

fn figure(name: &str, picture: &LatencyPicture, drawing: &Drawing) -> Markup {
    let said = sentence(picture, drawing);
    html! {
        section {
            h2 { "How long requests take: " (name) }
            figure {
                figcaption {
                    span class="accent" { "canary" } " and " span class="control" { "control" }
                    ": share of the requests that took at most so long"
                }
                (drawn(picture, drawing, &said))
            }
            p { (said) }
            details {
                summary { "The figures" }
                (table(picture, drawing))
                p class="dim" {
                    "The shares lie within these limits at all times and looks at once, with a confidence of "
                    (words::percent(1.0 - picture.band.alpha)) ". The picture decides nothing: the evidence above does, and is quicker."
                }
            }
        }
    }
}

/// Is one bound with both sides, and where it stands.
struct At {
    time: f64,
    x: f64,
    canary: f64,
    control: f64,
    /// The bands do not touch.
    apart: bool,
}

/// Is what is drawn of a band: at least two bounds, ascending, and half of each side's width.
struct Drawing {
    points: Vec<At>,
    canary: f64,
    control: f64,
}

impl Drawing {
    /// Returns nothing when there is too little to draw.
    fn of(picture: &LatencyPicture) -> Option<Self> {
        let Band {
            canary_half_width: Some(canary),
            control_half_width: Some(control),
            ref points,
            ..
        } = picture.band
        else {
            return None;
        };
        // Times are drawn by their logarithm, as one looks at them: 10 to 20 ms is as far as 100 to 200.
        let known = |point: &BandPoint| {
            let time = point.at_most;
            let is_drawn = time > 0.0 && time.is_finite();
            Some((time, point.canary?, point.control?)).filter(|_| is_drawn)
        };
        let known: Vec<_> = points.iter().filter_map(known).collect();
        let (first, last) = (known.first()?.0.ln(), known.last()?.0.ln());
        if last <= first {
            return None;
        }
        let at = |&(time, on_canary, on_control): &(f64, f64, f64)| At {
            time,
            x: (time.ln() - first) / (last - first) * (WIDTH - RIGHT),
            canary: on_canary,
            control: on_control,
            apart: (on_canary - on_control).abs() > canary + control,
        };
        Some(Self {
            points: known.iter().map(at).collect(),
            canary,
            control,
        })
    }
}

fn y(share: f64) -> f64 {
    ABOVE + (1.0 - share.clamp(0.0, 1.0)) * (HEIGHT - ABOVE - BELOW)
}

fn line<'a>(points: impl Iterator<Item = (f64, f64)> + 'a) -> String {
    let pairs: Vec<String> = points
        .map(|(x, share)| format!("{x:.1},{:.1}", y(share)))
        .collect();
    pairs.join(" ")
}

/// Returns the outline of a band: along its upper side and back along its lower one.
fn outline(drawing: &Drawing, share: impl Fn(&At) -> f64, half: f64) -> String {
    let points = &drawing.points;
    let upper = points.iter().map(|at| (at.x, share(at) + half));
    let lower = points.iter().rev().map(|at| (at.x, share(at) - half));
    line(upper.chain(lower))
}

fn drawn(picture: &LatencyPicture, drawing: &Drawing, said: &str) -> Markup {
    let (points, right) = (&drawing.points, WIDTH - RIGHT);
    let canary = |at: &At| (at.x, at.canary);
    html! {
        svg class="plot" role="img" aria-label=(said) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) {
            @for (share, label) in [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")] {
                line class="grid" x1="0" x2=(right) y1=(y(share)) y2=(y(share)) {}
                text x=(right + 6.0) y=(y(share) + 4.0) { (label) }
            }
            polygon class="control" points=(outline(drawing, |at| at.control, drawing.control)) {}
            polygon class="canary" points=(outline(drawing, |at| at.canary, drawing.canary)) {}
            polyline class="control" points=(line(points.iter().map(|at| (at.x, at.control)))) {}
            polyline class="canary" points=(line(points.iter().map(canary))) {}
            @for pair in points.windows(2).filter(|pair| pair.iter().all(|at| at.apart)) {
                polyline class="apart" points=(line(pair.iter().map(canary))) {}
            }
            @for at in points.iter().filter(|at| at.apart) {
                circle class="apart" cx=(format!("{:.1}", at.x)) cy=(format!("{:.1}", y(at.canary))) r="3" {}
            }
            @for (at, anchor) in labelled(points) {
                text x=(format!("{:.1}", at.x)) y=(HEIGHT - 4.0) text-anchor=(anchor) { (picture.unit.show(at.time)) }
            }
        }
    }
}

/// Chooses the times that are written below, the first and the last among them.
fn labelled(points: &[At]) -> Vec<(&At, &'static str)> {
    let mut chosen: Vec<(&At, &'static str)> = Vec::new();
    let (last, room) = (points.len() - 1, (WIDTH - RIGHT) / LABELS as f64);
    for (n, at) in points.iter().enumerate() {
        let anchor = match n {
            0 => "start",
            n if n == last => "end",
            _ => "middle",
        };
        let has_room = chosen
            .last()
            .is_none_or(|(before, _)| at.x - before.x >= room);
        let leaves_room = n == last || points[last].x - at.x >= room;
        if n == last || has_room && leaves_room {
            chosen.push((at, anchor));
        }
    }
    chosen
}

/// Says what is seen.
fn sentence(picture: &LatencyPicture, drawing: &Drawing) -> String {
    let apart: Vec<&At> = drawing.points.iter().filter(|at| at.apart).collect();
    let difference = |at: &At| (at.canary - at.control).abs();
    let most = apart
        .iter()
        .max_by(|a, b| difference(a).total_cmp(&difference(b)));
    let Some(most) = most else {
        return "The bands of canary and control overlap at every time: the picture shows no difference."
            .to_owned();
    };
    let show = |time| picture.unit.show(time);
    let place = match apart.as_slice() {
        [first, .., last] => format!(
            "from {} to {}, most at {}",
            show(first.time),
            show(last.time),
            show(most.time)
        ),
        _ => format!("at {}", show(most.time)),
    };
    format!(
        "The bands of canary and control are apart {place}: {} of the canary's requests take at most that long, and {} of the control's.",
        words::percent(most.canary),
        words::percent(most.control),
    )
}

fn table(picture: &LatencyPicture, drawing: &Drawing) -> Markup {
    let share = |share: f64, half: f64| {
        let (low, high) = ((share - half).max(0.0), (share + half).min(1.0));
        let [share, low, high] = [share, low, high].map(words::percent);
        format!("{share} ({low} to {high})")
    };
    html! {
        table {
            thead { tr { th { "at most" } th { "control" } th { "canary" } th { "bands" } } }
            tbody {
                @for at in &drawing.points {
                    tr {
                        th scope="row" { (picture.unit.show(at.time)) }
                        td { (share(at.control, drawing.control)) }
                        td { (share(at.canary, drawing.canary)) }
                        td { @if at.apart { span class="bad" { "apart" } } @else { "overlap" } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::observe::Unit;

    use super::*;

    fn picture(half: f64, shares: &[(f64, f64, f64)]) -> LatencyPicture {
        let point = |&(at_most, canary, control): &(f64, f64, f64)| BandPoint {
            at_most,
            canary: Some(canary),
            control: Some(control),
        };
        LatencyPicture {
            unit: Unit::S,
            band: Band {
                alpha: 0.05,
                canary_half_width: Some(half),
                control_half_width: Some(half),
                points: shares.iter().map(point).collect(),
            },
        }
    }

    const SLOWER: [(f64, f64, f64); 4] = [
        (0.01, 0.10, 0.12),
        (0.1, 0.40, 0.60),
        (0.25, 0.70, 0.93),
        (1.0, 0.99, 0.99),
    ];

    fn said(picture: &LatencyPicture) -> String {
        sentence(picture, &Drawing::of(picture).unwrap())
    }

    #[test]
    fn where_the_bands_are_apart_is_said_and_marked() {
        let picture = picture(0.05, &SLOWER);
        assert_eq!(
            said(&picture),
            "The bands of canary and control are apart from 100 ms to 250 ms, most at 250 ms: 70.0 % of the canary's requests take at most that long, and 93.0 % of the control's."
        );
        let drawing = Drawing::of(&picture).unwrap();
        let svg = drawn(&picture, &drawing, "so").into_string();
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
        assert_eq!(svg.matches("<polyline class=\"apart\"").count(), 1, "{svg}");
        assert!(svg.contains("role=\"img\" aria-label=\"so\""), "{svg}");
    }

    #[test]
    fn one_bound_is_a_place_and_none_is_no_difference() {
        assert!(said(&picture(0.11, &SLOWER)).contains(" apart at 250 ms: "));
        assert!(said(&picture(0.2, &SLOWER)).contains("overlap at every time"));
    }

    #[test]
    fn a_side_without_requests_and_a_single_bound_are_not_drawn() {
        let mut empty = picture(0.1, &SLOWER);
        empty.band.canary_half_width = None;
        assert!(Drawing::of(&empty).is_none());
        assert!(Drawing::of(&picture(0.1, &SLOWER[..1])).is_none());
        assert!(Drawing::of(&picture(0.1, &[])).is_none());
        let endless = [(0.0, 0.1, 0.1), (f64::INFINITY, 1.0, 1.0)];
        assert!(Drawing::of(&picture(0.1, &endless)).is_none());
    }

    #[test]
    fn everything_drawn_is_within_the_picture() {
        let picture = picture(5.0, &SLOWER);
        let drawing = Drawing::of(&picture).unwrap();
        for pair in outline(&drawing, |at| at.canary, drawing.canary).split(' ') {
            let (x, y) = pair.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((0.0..=WIDTH - RIGHT).contains(&x), "{pair}");
            assert!((ABOVE..=HEIGHT - BELOW).contains(&y), "{pair}");
        }
    }
}

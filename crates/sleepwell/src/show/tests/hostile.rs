//! Properties that hold for any text a host, a user or another server may send.

use model::api::Problem;
use model::api::change::{ChangeView, TimelineItem, Why};

use super::fixture;
use crate::show::{Style, changes, hosts, json, lines, problem, text, tree, why};

/// Draws from a fixed sequence (xorshift, Marsaglia 2003), so that a failure is the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    /// Returns text made of what breaks terminals and tables, and of ordinary words.
    fn text(&mut self) -> String {
        const PARTS: [&str; 20] = [
            "\x1b[2J",
            "\x1b]0;owned\x07",
            "\u{9b}31m",
            "\r",
            "\n",
            "\t",
            "\0",
            "\x7f",
            "\u{202e}",
            "\u{200b}",
            "\u{2028}",
            "日本語",
            "🚀",
            "e\u{301}",
            "\"",
            "\\",
            "a=b",
            " ",
            "disk",
            "averylongwordthatdoesnotbreakanywhereandgoesonandonandonandonandonandonandonandon",
        ];
        (0..self.below(12))
            .map(|_| match self.below(4) {
                0 => char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap())
                    .map_or_else(String::new, String::from),
                _ => PARTS[self.below(PARTS.len())].to_owned(),
            })
            .collect()
    }
}

fn views() -> [ChangeView; 8] {
    [
        fixture::judging(),
        fixture::proving(),
        fixture::undone(),
        fixture::undone_by_a_person(),
        fixture::stuck(),
        fixture::held(),
        fixture::done(),
        fixture::done_with_drift(),
    ]
}

/// Replaces everything in a view that is free text.
fn spoil(mut view: ChangeView, draw: &mut Draw) -> ChangeView {
    view.sentence = draw.text();
    view.change.title = draw.text();
    view.change.by = draw.text();
    for ring in &mut view.rings {
        ring.note = draw.text();
        ring.hosts
            .iter_mut()
            .for_each(|host| host.why = draw.text());
    }
    view.drifted
        .iter_mut()
        .for_each(|host| host.why = draw.text());
    view.signals
        .iter_mut()
        .for_each(|signal| signal.name = draw.text());
    view.timeline
        .iter_mut()
        .for_each(|item| spoil_item(item, draw));
    view
}

fn spoil_item(item: &mut TimelineItem, draw: &mut Draw) {
    item.text = draw.text();
    item.actor = draw.text();
    item.event = draw.text();
    item.detail = vec![draw.text(), draw.text()];
    if let Some(body) = item.body.as_object_mut() {
        for name in ["why", "to", "how", "reason", "what"] {
            if body.get(name).is_some_and(serde_json::Value::is_string) {
                body[name] = draw.text().into();
            }
        }
    }
    if draw.below(3) == 0 {
        item.body = serde_json::json!({"fact": draw.text(), draw.text(): draw.text()});
    }
}

/// Runs a check on many spoiled views under many styles.
fn for_any(check: impl Fn(&ChangeView, Style)) {
    let mut draw = Draw(0x5eed);
    for round in 0..300 {
        let view = spoil(views()[round % 8].clone(), &mut draw);
        let style = Style {
            color: false,
            width: draw.below(140),
            unicode: draw.below(4) > 0,
        };
        check(&view, style);
    }
}

#[track_caller]
fn assert_tame(output: &str, style: Style) {
    let steers = |c: char| c.is_control() || matches!(c, '\u{200b}' | '\u{202e}' | '\u{2028}');
    for line in output.lines() {
        assert!(!line.chars().any(steers), "{line:?}");
        assert!(style.unicode || line.is_ascii(), "{line:?}");
    }
}

#[track_caller]
fn assert_fits(output: &str, style: Style) {
    for line in output.lines() {
        assert!(
            text::width(line) <= style.width,
            "over {}: {line:?}",
            style.width
        );
    }
}

#[test]
fn no_line_of_a_screen_is_wider_than_the_terminal_or_steers_it() {
    for_any(|view, style| {
        let story = Why {
            subject: view.change.title.clone(),
            sentence: view.sentence.clone(),
            chain: view.timeline.clone(),
        };
        let change = std::slice::from_ref(&view.change);
        for output in [
            tree::frame(view, style),
            why::text(&story, style),
            changes::table(change, view.now, style),
        ] {
            assert_tame(&output, style);
            assert_fits(&output, style);
        }
    });
}

#[test]
fn only_a_single_word_of_a_result_may_be_wider_than_the_terminal() {
    for_any(|view, style| {
        let result = tree::result(view, style, "sleepwell why chg-2", "http://h/c/2");
        assert_tame(&result, style);
        for line in result.lines() {
            let is_word = |word: &&str| word.chars().count() > 1;
            let is_one_word = line.split(' ').filter(is_word).count() <= 1;
            assert!(is_one_word || text::width(line) <= style.width, "{line:?}");
        }
        assert!(result.ends_with("http://h/c/2\n"), "{result}");
    });
}

#[test]
fn a_piped_event_is_one_line_without_control_characters() {
    for_any(|view, _| {
        for item in &view.timeline {
            let json = json::line(view.change.id, item);
            assert!(!json.chars().any(char::is_control), "{json:?}");
            serde_json::from_str::<serde_json::Value>(&json).unwrap();
            if let Some(line) = lines::of(item) {
                assert!(!line.chars().any(char::is_control), "{line:?}");
                let prefix = item.at.time_of_day() + " ";
                assert!(line.starts_with(&prefix), "{line:?}");
            }
        }
    });
}

#[test]
fn hosts_and_problems_are_tame_too() {
    let mut draw = Draw(7);
    for width in 0..140 {
        let mut fleet = fixture::hosts();
        for service in fleet.iter_mut().flat_map(|host| &mut host.services) {
            service.why = draw.text();
        }
        let style = Style {
            width,
            ..fixture::WIDE
        };
        let table = hosts::table(&fleet, fixture::at("14:12:00"), style);
        assert_tame(&table, style);
        assert_fits(&table, style);

        let places = draw.text();
        let problem = Problem::new(400, &draw.text(), draw.text())
            .at(&places)
            .hint(draw.text());
        let printed = problem::text(&problem);
        assert_tame(&printed, style);
        let lines = 2 + places.lines().count();
        assert_eq!(printed.lines().count(), lines, "{printed:?}");
    }
}

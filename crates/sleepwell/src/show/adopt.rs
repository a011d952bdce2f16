//! Which hosts are ahead of the server, and what adopting them changes.

use model::api::deliver::{FleetView, HostAhead};
use model::deliver::Adoption;

use super::Style;
use super::ink::{Ink, Line};
use super::table::{self, Cell, Column};
use super::text::{counted, wrap};

/// Returns a sentence, a line per host and service, and what may be said next; with `how` what was said.
pub(crate) fn text(fleet: &FleetView, how: Option<Adoption>, style: Style) -> String {
    let mut out = String::new();
    if fleet.ahead.is_empty() {
        say(
            "The server is where its fleet is; there is nothing to adopt.",
            style,
            &mut out,
        );
        return out;
    }
    if let Some(how) = how {
        say(said(how), style, &mut out);
        return out;
    }
    let signs = counted(fleet.ahead.len(), "newer order");
    let sentence = format!(
        "The server is behind its fleet: hosts have seen {signs} it knows nothing of. It was restored from an old backup, and nothing is shipped or undone until you say how to go on."
    );
    say(&sentence, style, &mut out);
    out.push('\n');
    let columns = [
        Column::new("host", 24),
        Column::new("service", 20).leaves(3),
        Column::new("runs now", 28),
        Column::new("with --follow", 28),
        Column::new("seen", 20).leaves(1),
        Column::new("server knows", 20).leaves(2),
    ];
    let rows: Vec<Vec<Cell>> = fleet.ahead.iter().map(row).collect();
    table::write(&columns, &rows, style, &mut out);
    out += "\n  keep what runs until the next ship:  sleepwell hosts adopt --keep\n";
    out += "  go back to what the server knows:    sleepwell hosts adopt --follow\n";
    out
}

fn say(text: &str, style: Style, out: &mut String) {
    for text in wrap(text, style.width) {
        let mut line = Line::new(style);
        line.add(Ink::Strong, &text);
        line.end(out);
    }
}

fn said(how: Adoption) -> &'static str {
    match how {
        Adoption::Keep => {
            "Adopted. Hosts that were ahead keep what they run; ship to bring them forward."
        }
        Adoption::Follow => {
            "Adopted. Hosts that were ahead are asked for what the server knows; sleepwell hosts shows how far they are."
        }
    }
}

fn row(one: &HostAhead) -> Vec<Cell> {
    let plain = |text: String| (Ink::Plain, text);
    let Some(service) = &one.service else {
        return vec![
            plain(one.host.to_string()),
            plain("-".to_owned()),
            plain("-".to_owned()),
            plain("-".to_owned()),
            plain(format!("epoch {}", one.seen)),
            plain(format!("epoch {}", one.ours)),
        ];
    };
    let changes = one.running_release != one.wanted_release;
    vec![
        plain(one.host.to_string()),
        plain(service.to_string()),
        plain(running(one)),
        (
            if changes { Ink::Warn } else { Ink::Plain },
            wanted(one, changes),
        ),
        plain(format!("order {}", one.seen)),
        plain(format!("order {}", one.ours)),
    ]
}

fn running(one: &HostAhead) -> String {
    match (&one.running, &one.running_release) {
        (Some(version), _) => version.to_string(),
        (None, Some(release)) => format!(
            "unknown release {}",
            release.split('-').next().unwrap_or(release)
        ),
        (None, None) => "nothing".to_owned(),
    }
}

fn wanted(one: &HostAhead, changes: bool) -> String {
    match &one.wanted {
        Some(version) if changes => format!("changes to {version}"),
        Some(version) => format!("stays {version}"),
        None => "stops".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(host: &str, service: Option<&str>) -> HostAhead {
        HostAhead {
            host: host.parse().unwrap(),
            service: service.map(|name| name.parse().unwrap()),
            seen: 7,
            ours: 5,
            running: None,
            running_release: service.map(|_| "41ca00112233-aa".to_owned()),
            wanted: service.map(|_| "1.0".parse().unwrap()),
            wanted_release: service.map(|_| "9f3c00112233-aa".to_owned()),
        }
    }

    #[test]
    fn what_would_change_is_said_before_anything_does() {
        let mut same = ahead("web-2", Some("shop"));
        same.running.clone_from(&same.wanted);
        same.running_release.clone_from(&same.wanted_release);
        let fleet = FleetView {
            epoch: 5,
            ahead: vec![ahead("web-1", None), ahead("web-1", Some("shop")), same],
        };
        let style = Style {
            color: false,
            width: 100,
            unicode: true,
        };
        insta::assert_snapshot!("adopt_wide", text(&fleet, None, style));
        let narrow = Style { width: 60, ..style };
        let shown = text(&fleet, None, narrow);
        // A command to copy stays whole.
        for line in shown
            .lines()
            .filter(|line| !line.contains("sleepwell hosts"))
        {
            assert!(line.chars().count() <= narrow.width, "{line}");
        }
        assert!(text(&fleet, Some(Adoption::Keep), style).starts_with("Adopted."));
    }

    #[test]
    fn a_server_that_is_not_behind_says_so() {
        let fleet = FleetView {
            epoch: 5,
            ahead: vec![],
        };
        let style = Style {
            color: false,
            width: 100,
            unicode: true,
        };
        let said = text(&fleet, Some(Adoption::Keep), style);
        assert_eq!(
            said,
            "The server is where its fleet is; there is nothing to adopt.\n"
        );
    }
}

//! Redrawing in place: the bytes that replace one frame by the next.
//!
//! The cursor stays visible and no screen mode is changed, so there is nothing to restore when the
//! program is killed in the middle.

use std::time::Duration;

use model::Timestamp;

/// The least time between two frames; faster is flicker to people and noise to a slow connection.
const PERIOD: Duration = Duration::from_millis(200);

/// Is what stands on the terminal, and since when.
#[derive(Debug)]
pub(crate) struct Screen {
    rows: usize,
    shown: Option<(String, Timestamp)>,
}

impl Screen {
    /// Begins below whatever is on a terminal of `rows` lines.
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows, shown: None }
    }

    /// Takes note that the terminal has another height now.
    ///
    /// Lines that a terminal wraps by itself while it becomes narrower cannot be counted from here;
    /// the upper ones stay as remains of the old frame.
    pub(crate) fn resize(&mut self, rows: usize) {
        self.rows = rows;
    }

    /// Returns what to write so that `frame` replaces the frame before it; nothing when it is the
    /// same or the last one is younger than 200 ms.
    ///
    /// A frame higher than the terminal loses its last lines until [`Screen::end`], because no cursor
    /// movement reaches a line that has scrolled away.
    pub(crate) fn draw(&mut self, frame: &str, now: Timestamp) -> Option<String> {
        let frame = fitted(frame, self.rows);
        if let Some((shown, at)) = &self.shown
            && (*shown == frame || now.since(*at) < PERIOD)
        {
            return None;
        }
        let bytes = self.replace(&frame);
        self.shown = Some((frame, now));
        Some(bytes)
    }

    /// Returns what to write so that the whole `frame` stays for good; the cursor is below it.
    pub(crate) fn end(self, frame: &str) -> String {
        self.replace(frame)
    }

    /// Writes each line over the old one and then clears what is left of that, which flickers less
    /// than clearing first.
    fn replace(&self, frame: &str) -> String {
        let old = self.shown.as_ref().map_or(0, |(shown, _)| height(shown));
        // Lines that a lower terminal has scrolled away are out of reach.
        let up = old.min(self.rows.saturating_sub(1));
        let mut bytes = if up > 0 {
            format!("\r\x1b[{up}A")
        } else {
            String::new()
        };
        for line in frame.lines() {
            bytes += line;
            bytes += "\x1b[K\n";
        }
        if height(frame) < old {
            bytes += "\x1b[J";
        }
        bytes
    }
}

fn height(frame: &str) -> usize {
    frame.lines().count()
}

/// Cuts a frame to one line less than the terminal has; the cursor needs the last one.
fn fitted(frame: &str, rows: usize) -> String {
    let most = rows.saturating_sub(1).max(1);
    if height(frame) <= most {
        return frame.to_owned();
    }
    let kept = frame.lines().take(most - 1);
    let hidden = height(frame) - (most - 1);
    let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
    kept + &format!("({hidden} more lines)\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn the_first_frame_moves_nothing_and_the_next_one_replaces_it() {
        let mut screen = Screen::new(24);
        assert_eq!(screen.draw("a\nb\n", at(0)).unwrap(), "a\x1b[K\nb\x1b[K\n");
        assert_eq!(
            screen.draw("c\n", at(1_000)).unwrap(),
            "\r\x1b[2Ac\x1b[K\n\x1b[J"
        );
        assert_eq!(screen.end("d\n"), "\r\x1b[1Ad\x1b[K\n");
    }

    #[test]
    fn frames_come_at_most_every_200_ms_and_only_when_they_differ() {
        let mut screen = Screen::new(24);
        assert!(screen.draw("a\n", at(0)).is_some());
        assert!(screen.draw("b\n", at(199)).is_none());
        assert!(screen.draw("b\n", at(200)).is_some());
        assert!(screen.draw("b\n", at(900)).is_none());
    }

    #[test]
    fn a_frame_higher_than_the_terminal_is_whole_at_the_end_only() {
        let mut screen = Screen::new(4);
        let bytes = screen.draw("1\n2\n3\n4\n5\n", at(0)).unwrap();
        assert_eq!(bytes, "1\x1b[K\n2\x1b[K\n(3 more lines)\x1b[K\n");
        assert_eq!(
            screen.end("1\n2\n3\n4\n5\n"),
            "\r\x1b[3A1\x1b[K\n2\x1b[K\n3\x1b[K\n4\x1b[K\n5\x1b[K\n"
        );
    }

    #[test]
    fn a_terminal_that_became_lower_is_not_scrolled_above_its_top() {
        let mut screen = Screen::new(24);
        screen.draw("1\n2\n3\n4\n5\n", at(0)).unwrap();
        screen.resize(3);
        let bytes = screen.draw("6\n", at(1_000)).unwrap();
        assert_eq!(bytes, "\r\x1b[2A6\x1b[K\n\x1b[J");
    }
}

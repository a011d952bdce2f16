//! Fills in `${env.NAME}` before the file is read, where it is sent from.
//!
//! Only scalars are looked at, so a comment asks for nothing, and what a variable holds stays one value:
//! where it would read as YAML of its own the scalar is written anew in quotes.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, ScalarStyle, Span};

use super::Fault;
use super::fault::shown;
use super::tree::{self, Place};

/// Replaces each `${env.NAME}` by the variable's value; `${PORT}` and `${RELEASE}` stay, for the host.
///
/// Lines keep their numbers.
///
/// # Errors
/// Every variable that is missing, every other `${…}`, with its line; or that it is too large or
/// no YAML.
pub fn substitute_env(
    text: &str,
    env: impl Fn(&str) -> Option<String>,
) -> Result<String, Vec<Fault>> {
    tree::check_size(text).map_err(|fault| vec![fault])?;
    let mut filled = String::with_capacity(text.len());
    let mut copied = 0;
    let mut faults = Vec::new();
    for event in tree::events(text) {
        let (event, span) = event.map_err(|error| vec![tree::syntax(text, &error)])?;
        let Event::Scalar(value, style, ..) = event else {
            continue;
        };
        match fill_scalar(text, &value, style, &span, &env) {
            Ok(None) => {}
            Ok(Some((range, scalar))) => {
                filled.push_str(&text[copied..range.start]);
                filled.push_str(&scalar);
                copied = range.end;
            }
            Err(more) => faults.extend(more),
        }
    }
    filled.push_str(&text[copied..]);
    if faults.is_empty() {
        Ok(filled)
    } else {
        Err(faults)
    }
}

/// Returns what to write in the place of a scalar, nothing when it names no variable.
fn fill_scalar(
    text: &str,
    value: &str,
    style: ScalarStyle,
    span: &Span,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<(Range<usize>, String)>, Vec<Fault>> {
    let (Some(range), Some(source)) = (span.byte_range(), span.slice(text)) else {
        return Ok(None);
    };
    let place = Place::of(span.start);
    let scalar = match style {
        // A block says what it means without escapes: it is filled in where it stands.
        ScalarStyle::Literal | ScalarStyle::Folded => fill(source, env, true, place)?,
        _ => fill(value, env, false, place)?.map(|value| {
            written(
                &value,
                style == ScalarStyle::Plain,
                source.matches('\n').count(),
            )
        }),
    };
    Ok(scalar.map(|scalar| (range, scalar)))
}

/// Returns the text with its variables filled in, nothing when it names none.
fn fill(
    text: &str,
    env: impl Fn(&str) -> Option<String>,
    in_block: bool,
    place: Place,
) -> Result<Option<String>, Vec<Fault>> {
    let mut filled = String::new();
    let mut faults = Vec::new();
    let mut names_any = false;
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        let end = from.find('}').map_or(from.len(), |end| end + 1);
        let (placeholder, after) = from.split_at(end);
        filled.push_str(before);
        match resolve(placeholder, &env, in_block) {
            Ok(None) => filled.push_str(placeholder),
            Ok(Some(value)) => {
                names_any = true;
                filled.push_str(&value);
            }
            Err((what, remedy)) => faults.push(place.fault(what, remedy)),
        }
        rest = after;
    }
    filled.push_str(rest);
    match faults.is_empty() {
        true => Ok(names_any.then_some(filled)),
        false => Err(faults),
    }
}

/// Returns what a placeholder stands for, nothing for one the host fills in.
fn resolve(
    placeholder: &str,
    env: impl Fn(&str) -> Option<String>,
    in_block: bool,
) -> Result<Option<String>, (String, String)> {
    let Some(name) = placeholder
        .strip_prefix("${")
        .and_then(|name| name.strip_suffix('}'))
    else {
        return Err(unclosed());
    };
    if matches!(name, "PORT" | "RELEASE") {
        return Ok(None);
    }
    let variable = name.strip_prefix("env.").ok_or_else(|| unknown(name))?;
    let Some(value) = env(variable) else {
        let what = format!("the environment variable `{}` is not set", shown(variable));
        return Err((what, "set it where the file is sent from".to_owned()));
    };
    if in_block && (value.starts_with([' ', '\t']) || value.contains(char::is_control)) {
        let what = format!(
            "the environment variable `{}` begins with a space or holds a line break, which a block cannot take",
            shown(variable)
        );
        return Err((
            what,
            "write the value in double quotes instead of a block".to_owned(),
        ));
    }
    Ok(Some(value))
}

/// Returns the fault of a placeholder nobody fills in.
pub(super) fn unknown(name: &str) -> (String, String) {
    let remedy = "write `${PORT}`, `${RELEASE}` or, for a variable of the sender, `${env.NAME}`; a shell's own variable needs no braces: `$HOME`";
    (
        format!("`${{{}}}` is not known here", shown(name)),
        remedy.to_owned(),
    )
}

pub(super) fn unclosed() -> (String, String) {
    (
        "`${` has no `}`".to_owned(),
        "close it, as in `${PORT}`".to_owned(),
    )
}

/// Writes a value in the place of a scalar that took so many line breaks.
fn written(value: &str, was_plain: bool, line_breaks: usize) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-./@+%=".contains(c);
    let starts_bare = value.starts_with(|c: char| c.is_ascii_alphanumeric() || "_./".contains(c));
    let scalar = match was_plain && starts_bare && value.chars().all(bare) {
        true => value.to_owned(),
        false => quoted(value),
    };
    scalar + &"\n".repeat(line_breaks)
}

fn quoted(value: &str) -> String {
    let mut quoted = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\0'..' '
            | '\u{7f}'..'\u{a0}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        let value = match name {
            "HOST" => "db.example.test",
            "PORT_NUMBER" => "8101",
            "ODD" => "a: \"b\" #c\\\n",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn variables_are_filled_in_and_the_hosts_own_stay() {
        let text = "url: http://${env.HOST}/\nports: [ \"${env.PORT_NUMBER}\" ] # ${env.NONE}\nx: ${PORT}-${RELEASE}\n";
        let filled = substitute_env(text, env).unwrap();
        assert_eq!(
            filled,
            "url: \"http://db.example.test/\"\nports: [ \"8101\" ] # ${env.NONE}\nx: ${PORT}-${RELEASE}\n"
        );
    }

    #[test]
    fn a_number_stays_a_number() {
        assert_eq!(
            substitute_env("n: ${env.PORT_NUMBER}\n", env).unwrap(),
            "n: 8101\n"
        );
    }

    #[test]
    fn what_a_variable_holds_stays_one_value_and_lines_keep_their_numbers() {
        for text in [
            "a: ${env.ODD}\nb: 1\n",
            "a: '${env.ODD}'\nb: 1\n",
            "a: \"x\n  ${env.ODD}\"\nb: 1\n",
            "${env.ODD}: x\nb: 1\n",
            "{a: [x, '${env.ODD}\n'], b: 1}\n",
        ] {
            let filled = substitute_env(text, env).unwrap();
            let line_of_b = |text: &str| text.lines().position(|line| line.contains("b: 1"));
            assert_eq!(line_of_b(&filled), line_of_b(text), "{filled}");
            let node = format!("{:?}", tree::build(&filled).unwrap());
            assert!(node.contains(r#"a: \"b\" #c\\\n"#), "{filled}\n{node}");
        }
    }

    #[test]
    fn a_block_is_filled_in_where_it_stands() {
        let text = "a: | # note\n  x: ${env.HOST}\n\n  ${PORT}\nb: 1\n";
        let filled = substitute_env(text, env).unwrap();
        assert_eq!(
            filled,
            "a: | # note\n  x: db.example.test\n\n  ${PORT}\nb: 1\n"
        );
        let faults = substitute_env("a: >-\n  x ${env.ODD}\n", env).unwrap_err();
        assert!(
            faults[0]
                .what
                .contains("`ODD` begins with a space or holds a line break")
        );
    }

    #[test]
    fn all_missing_variables_are_named_with_their_lines() {
        let text = "a: ${env.ONE}\nb: [1,\n  '${HOME} ${env.TWO'] # ${x}\n";
        let faults = substitute_env(text, env).unwrap_err();
        let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(
            faults,
            [
                "line 1: the environment variable `ONE` is not set; set it where the file is sent from",
                "line 3: `${HOME}` is not known here; write `${PORT}`, `${RELEASE}` or, for a variable of the sender, `${env.NAME}`; a shell's own variable needs no braces: `$HOME`",
                "line 3: `${` has no `}`; close it, as in `${PORT}`",
            ]
        );
    }
}

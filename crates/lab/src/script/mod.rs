//! Stories: a scenario file in the product's words, one sentence a line.
//!
//! ```text
//! # Prose stands behind a hash, between the steps or at the end of a line.
//! given 8 hosts web-1 .. web-8 with role=shop
//! and service shop, rings staff 1, canary 2, everyone rest, max unavailable 2, bake 5s
//! when 1.0 is shipped
//! then within 60s shop is done on 8 of 8 hosts
//! ```
//!
//! A line begins with `given`, `when` or `then`; `and` repeats the word before. A `then` holds at once,
//! or `within` a time that may pass until it does. Which sentences there are stands in [`given`],
//! [`when`] and [`then`], each with the step it makes; words in braces are filled in by the story, words
//! in quotes may hold blanks. Nothing is guessed: a sentence that is not in its table is an error that
//! names the file, the line and what is known.

mod given;
mod sentence;
mod then;
mod when;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use given::Given;
pub use then::{Then, Wait};
pub use when::When;

use sentence::{Sentence, Tokens, fit};

/// Is one file, read.
#[derive(Debug)]
pub struct Story {
    /// As it was named, for messages.
    pub name: String,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub struct Step {
    /// Counted from 1.
    pub line: usize,
    pub text: String,
    pub does: Does,
}

#[derive(Debug)]
pub enum Does {
    Given(Given),
    When(When),
    Then(Then, Wait),
}

/// Is what is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl std::error::Error for Fault {}

/// Is which table a sentence is looked up in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Given,
    When,
    Then,
}

impl Story {
    /// Reads a story.
    ///
    /// # Errors
    /// Every line that is not understood.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Fault>> {
        let (mut steps, mut faults, mut mood) = (vec![], vec![], None);
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            match step(line, &mut mood) {
                Ok(None) => {}
                Ok(Some((text, does))) => steps.push(Step {
                    line: line_number,
                    text,
                    does,
                }),
                Err(what) => faults.push(Fault {
                    file: name.to_owned(),
                    line: line_number,
                    what,
                }),
            }
        }
        if steps.is_empty() && faults.is_empty() {
            faults.push(Fault {
                file: name.to_owned(),
                line: 1,
                what: "no step; a story has lines that begin with given, when or then".into(),
            });
        }
        if faults.is_empty() {
            let name = name.to_owned();
            Ok(Self { name, steps })
        } else {
            Err(faults)
        }
    }
}

/// Returns all sentences, for documentation: the word they begin with and their pattern.
pub fn sentences() -> Vec<(&'static str, &'static str)> {
    let given = given::TABLE.iter().map(|s| ("given", s.pattern));
    let when = when::TABLE.iter().map(|s| ("when", s.pattern));
    let then = then::TABLE.iter().map(|s| ("then", s.pattern));
    given.chain(when).chain(then).collect()
}

/// Returns the stories of a folder, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    paths.sort();
    Ok(paths)
}

fn step(line: &str, mood: &mut Option<Mood>) -> Result<Option<(String, Does)>, String> {
    let tokens = Tokens::read(line)?;
    let Some(first) = tokens.first() else {
        return Ok(None);
    };
    let now = match (first, *mood) {
        ("given", _) => Mood::Given,
        ("when", _) => Mood::When,
        ("then", _) => Mood::Then,
        ("and", Some(before)) => before,
        ("and", None) => {
            return Err("`and` repeats the word of the step before; this is the first".into());
        }
        (other, _) => {
            return Err(format!(
                "a step begins with given, when, then or and, not with `{other}`"
            ));
        }
    };
    *mood = Some(now);
    let text = tokens.text();
    let does = match now {
        Mood::Given => Does::Given(look_up("given", given::TABLE, tokens.rest(1))?),
        Mood::When => Does::When(look_up("when", when::TABLE, tokens.rest(1))?),
        Mood::Then => {
            let (rest, wait) = wait(&tokens)?;
            Does::Then(look_up("then", then::TABLE, rest)?, wait)
        }
    };
    Ok(Some((text, does)))
}

/// Takes `within D` off the front of a `then`.
fn wait(tokens: &Tokens) -> Result<(Tokens, Wait), String> {
    if tokens.at(1) != Some("within") {
        return Ok((tokens.rest(1), Wait::default()));
    }
    let span: Duration = words::duration(tokens.at(2).unwrap_or_default())?;
    Ok((tokens.rest(3), Wait(span)))
}

fn look_up<T>(mood: &str, table: &[Sentence<T>], tokens: Tokens) -> Result<T, String> {
    let mut wrong = None;
    for sentence in table {
        if let Some(filled) = fit(sentence.pattern, &tokens) {
            match (sentence.make)(&filled) {
                Ok(made) => return Ok(made),
                // Another sentence may fit as well; if none does, this says most.
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
    }
    Err(wrong.unwrap_or_else(|| {
        let known: Vec<String> = table
            .iter()
            .map(|s| format!("\n    {mood} {}", s.pattern))
            .collect();
        let said = tokens.text();
        format!(
            "no sentence after `{mood}` reads `{said}`; known are:{}",
            known.concat()
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let faults = Story::parse("a.txt", text).unwrap_err();
        faults[0].to_string()
    }

    #[test]
    fn an_unknown_sentence_names_file_line_and_what_is_known() {
        let said = fault("when 1.0 is shipped\n\nwhen web-1 explodes");
        assert!(
            said.starts_with("a.txt:3: no sentence after `when` reads `web-1 explodes`"),
            "{said}"
        );
        assert!(said.contains("\n    when {host} is unreachable"), "{said}");
    }

    #[test]
    fn a_wrong_value_is_named() {
        let said = fault("then within 5x nobody was paged");
        assert!(said.contains("`5x` is not a duration"), "{said}");
        let said = fault("then the rollout is finished");
        assert!(
            said.contains("`finished` is no state of a change; known: planned"),
            "{said}"
        );
    }

    #[test]
    fn every_fault_is_told_not_only_the_first() {
        let faults = Story::parse("a.txt", "when x y\nthen z\nsometimes").unwrap_err();
        let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }

    #[test]
    fn an_empty_story_is_a_fault() {
        assert!(fault("# only prose").contains("no step"));
    }

    #[test]
    fn and_repeats_the_word_before() {
        let story = Story::parse("a.txt", "when 1.0 is shipped # now\nand 5s pass").unwrap();
        assert!(matches!(story.steps[1].does, Does::When(When::Pass(_))));
        assert_eq!(story.steps[0].text, "when 1.0 is shipped");
    }
}

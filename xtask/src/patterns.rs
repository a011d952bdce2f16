//! Words that may not stand in a file. They are written in pieces, so that this file passes itself.

use crate::files::TextFile;

/// Is a word that is not wanted, where, and what to do instead.
#[derive(Clone, Copy, Debug)]
pub struct Unwanted {
    pub word: &'static str,
    pub only_rust: bool,
    pub instead: &'static str,
}

const UNFINISHED: &str =
    "finish it or leave it out; a known gap is a sentence with the condition that closes it";
const EXPECT: &str =
    "use #[expect(lint, reason = \"…\")], which complains when it is no longer needed";
const MACHINE: &str = "use a path below the repository, or a temporary folder";
const REGISTRY: &str = "name no registry: which one is used is the reader's own setting";

/// Is every word that is not wanted.
pub const UNWANTED: &[Unwanted] = &[
    everywhere(concat!("TO", "DO"), UNFINISHED),
    everywhere(concat!("FIX", "ME"), UNFINISHED),
    everywhere(concat!("XX", "X"), UNFINISHED),
    in_rust(concat!("#[", "allow("), EXPECT),
    in_rust(concat!("#![", "allow("), EXPECT),
    in_rust(
        concat!("thread::", "sleep"),
        "wait on Wake, Stop, Shutdown or a condition with a deadline",
    ),
    everywhere(concat!("/ho", "me/"), MACHINE),
    everywhere(concat!("/wo", "rk/"), MACHINE),
    everywhere(concat!("crates", ".io"), REGISTRY),
    everywhere(concat!("npmjs", ".org"), REGISTRY),
    everywhere(concat!("pypi", ".org"), REGISTRY),
    everywhere(concat!("proxy.golang", ".org"), REGISTRY),
];

const fn everywhere(word: &'static str, instead: &'static str) -> Unwanted {
    Unwanted {
        word,
        only_rust: false,
        instead,
    }
}

const fn in_rust(word: &'static str, instead: &'static str) -> Unwanted {
    Unwanted {
        word,
        only_rust: true,
        instead,
    }
}

/// Returns the lines of a file that hold unwanted words, counted from 1.
pub fn unwanted_in(file: &TextFile) -> Vec<(usize, Unwanted)> {
    let is_rust = file.extension() == "rs";
    let mut found = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let here = UNWANTED
            .iter()
            .filter(|unwanted| is_rust || !unwanted.only_rust);
        found.extend(
            here.filter(|unwanted| holds(line, unwanted.word))
                .map(|unwanted| (number, *unwanted)),
        );
    }
    found
}

/// Tells whether `word` stands in `line` by itself, not as the middle of a longer word or path.
fn holds(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let starts_inside = word.starts_with(part_of_word) || word.starts_with('/');
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joined_before = starts_inside && before.is_some_and(part_of_word);
        let joined_after = word.ends_with(part_of_word) && after.is_some_and(part_of_word);
        !joined_before && !joined_after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &str, text: &str) -> Vec<&'static str> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        unwanted_in(&file)
            .iter()
            .map(|(_, unwanted)| unwanted.word)
            .collect()
    }

    #[test]
    fn every_unwanted_word_is_found_where_it_stands_alone() {
        for unwanted in UNWANTED {
            let text = format!("first line\n({} a b\n", unwanted.word);
            assert_eq!(words("a.rs", &text), [unwanted.word]);
            let elsewhere = words("a.md", &text);
            assert_eq!(
                elsewhere.is_empty(),
                unwanted.only_rust,
                "{}",
                unwanted.word
            );
        }
    }

    #[test]
    fn a_part_of_a_longer_word_is_no_fault() {
        let text = format!(
            "{}S target{}x MY_{}",
            UNWANTED[0].word, UNWANTED[7].word, UNWANTED[1].word
        );
        assert!(words("a.rs", &text).is_empty(), "{text}");
    }
}

//! What is read of a Markdown page: its titles, its links, its tables.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

/// Returns the text of every `# ` title outside code blocks.
pub fn titles(text: &str) -> Vec<&str> {
    let titles = prose(text).filter_map(|(_, line)| line.strip_prefix("# "));
    titles.map(str::trim).collect()
}

/// Returns every link to a file of the repository with its line number, without what follows a `#`.
pub fn relative_links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let targets = line.split("](").skip(1);
        for target in targets.filter_map(|rest| rest.split([')', ' ']).next()) {
            let path = target.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && !path.is_empty() {
                links.push((number, path.to_owned()));
            }
        }
    }
    links
}

/// Returns every path of the repository that a page names in back quotes, with its line number.
///
/// Only what begins with one of `folders` is a path, and nothing with a placeholder in it.
pub fn named_paths(text: &str, folders: &[&str]) -> Vec<(usize, String)> {
    let is_path = |word: &str| {
        let placeholder = word.contains(|c: char| c.is_whitespace() || "<>{}*…".contains(c))
            || word.contains("NAME");
        folders.iter().any(|folder| word.starts_with(folder)) && !placeholder
    };
    prose(text)
        .flat_map(|(number, line)| quoted(line).into_iter().map(move |word| (number, word)))
        .filter(|(_, word)| is_path(word))
        .collect()
}

/// Returns the cells of the table between `<!-- tidy: NAME -->` and `<!-- end -->`, without its head.
///
/// # Errors
/// When there is no such table.
pub fn table(text: &str, name: &str) -> Result<Vec<Vec<String>>> {
    let (begin, end) = (format!("<!-- tidy: {name} -->"), "<!-- end -->");
    let part = text
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(end));
    let (part, _) =
        part.with_context(|| format!("there is no table between `{begin}` and `{end}`"))?;
    let rows = part.lines().filter(|line| line.starts_with('|')).skip(2);
    Ok(rows.map(cells).collect())
}

fn cells(row: &str) -> Vec<String> {
    let inner = row.trim().trim_start_matches('|').trim_end_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// Returns the names a cell holds in back quotes.
pub fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Returns the lines outside code blocks, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# One\n\n```sh\n# no title\n[no](link.md)\n```\n[a](x/y.md#z), [b](#here), [c](https://a.test/b)\n";

    #[test]
    fn code_blocks_hold_neither_titles_nor_links() {
        assert_eq!(titles(PAGE), ["One"]);
        assert_eq!(relative_links(PAGE), [(7, "x/y.md".to_owned())]);
    }

    #[test]
    fn paths_in_back_quotes_are_found_without_placeholders() {
        let page =
            "See `crates/a.rs` and `crates/NAME.rs`, `other/b.rs`.\n```\n`crates/c.rs`\n```\n";
        assert_eq!(
            named_paths(page, &["crates/"]),
            [(1, "crates/a.rs".to_owned())]
        );
    }

    #[test]
    fn a_table_is_found_by_its_name() {
        let page = "<!-- tidy: t -->\n\n| a | b |\n|---|---|\n| `x` | `y`, `z` |\n| `w` | |\n\n<!-- end -->\n";
        let rows = table(page, "t").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            quoted(&rows[0][1]),
            BTreeSet::from(["y".to_owned(), "z".to_owned()])
        );
        assert_eq!(quoted(&rows[1][1]), BTreeSet::new());
        assert!(table(page, "other").is_err());
    }
}

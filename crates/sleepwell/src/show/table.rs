//! Columns that line up, and that leave one by one when the terminal is narrow.

use super::Style;
use super::ink::{Ink, Line, safe};
use super::text::{cut, width};

/// Columns between two columns.
const GAP: usize = 2;

pub(super) struct Column {
    title: &'static str,
    right: bool,
    /// The widest a cell of it may be; the rest is cut.
    most: usize,
    /// The width it may be squeezed to before it is left out; counts for the last column only.
    least: usize,
    /// In which order columns are left out, 1 first; nothing keeps it for good.
    leaves: Option<u8>,
}

impl Column {
    /// Returns a column that stays, for texts of at most `most` columns.
    pub(super) fn new(title: &'static str, most: usize) -> Self {
        Self {
            title,
            right: false,
            most,
            least: most,
            leaves: None,
        }
    }

    pub(super) fn right(mut self) -> Self {
        self.right = true;
        self
    }

    pub(super) fn leaves(mut self, order: u8) -> Self {
        self.leaves = Some(order);
        self
    }

    /// Lets the last column be cut to `least` before another one has to leave.
    pub(super) fn squeezed_to(mut self, least: usize) -> Self {
        self.least = least;
        self
    }
}

pub(super) type Cell = (Ink, String);

/// Writes a heading and the rows; each row has one cell per column.
pub(super) fn write(columns: &[Column], rows: &[Vec<Cell>], style: Style, out: &mut String) {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| column_width(column, rows.iter().filter_map(|row| row.get(i)), style))
        .collect();
    let shown = shown(columns, &widths, style.width);
    let heading = columns
        .iter()
        .map(|column| (Ink::Dim, column.title.to_owned()))
        .collect();
    for row in std::iter::once(&heading).chain(rows) {
        write_row(columns, &widths, &shown, row, style, out);
    }
}

fn column_width<'a>(column: &Column, cells: impl Iterator<Item = &'a Cell>, style: Style) -> usize {
    cells
        .map(|(_, text)| width(&safe(text, style)).min(column.most))
        .fold(width(column.title), usize::max)
}

/// Returns the indices of the columns that fit.
fn shown(columns: &[Column], widths: &[usize], available: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let needed = |shown: &[usize]| -> usize {
        let squeezed = |&i: &usize| match shown.last() {
            Some(&last) if last == i => widths[i].min(columns[i].least),
            _ => widths[i],
        };
        shown.iter().map(squeezed).sum::<usize>() + GAP * shown.len().saturating_sub(1)
    };
    while needed(&shown) > available {
        let next = shown
            .iter()
            .enumerate()
            .filter_map(|(place, &i)| Some((columns[i].leaves?, place)))
            .min();
        match next {
            Some((_, place)) => shown.remove(place),
            None => break,
        };
    }
    shown
}

fn write_row(
    columns: &[Column],
    widths: &[usize],
    shown: &[usize],
    row: &[Cell],
    style: Style,
    out: &mut String,
) {
    let mut line = Line::new(style);
    let mut start = 0;
    for &i in shown {
        let Some((ink, text)) = row.get(i) else {
            continue;
        };
        let text = cut(&safe(text, style), widths[i]);
        let indent = if columns[i].right {
            widths[i] - width(&text)
        } else {
            0
        };
        line.pad_to(start + indent).add(*ink, &text);
        start += widths[i] + GAP;
    }
    line.end(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: usize) -> String {
        let columns = [
            Column::new("host", 12),
            Column::new("share", 8).right().leaves(1),
            Column::new("wanted", 8).leaves(2),
            Column::new("why", 40).squeezed_to(6),
        ];
        let cell = |text: &str| (Ink::Plain, text.to_owned());
        let row = vec![
            cell("web-1"),
            cell("5 %"),
            cell("1.1"),
            cell("the disk is full"),
        ];
        let style = Style {
            color: false,
            width,
            unicode: true,
        };
        let mut out = String::new();
        write(&columns, &[row], style, &mut out);
        out
    }

    #[test]
    fn columns_leave_in_their_order_and_the_last_one_is_squeezed_before() {
        assert_eq!(
            drawn(40),
            "host   share  wanted  why\nweb-1    5 %  1.1     the disk is full\n"
        );
        assert_eq!(
            drawn(30),
            "host   share  wanted  why\nweb-1    5 %  1.1     the dis…\n"
        );
        assert_eq!(drawn(24), "host   wanted  why\nweb-1  1.1     the disk…\n");
        assert_eq!(drawn(14), "host   why\nweb-1  the di…\n");
    }
}

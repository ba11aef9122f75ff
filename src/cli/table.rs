//! A table of text: columns aligned, nothing past [`WIDTH`].

/// Characters in a line.
const WIDTH: usize = 100;
/// Blanks between columns.
const GAP: usize = 2;
/// Blanks before what explains a row.
const INDENT: usize = 4;

/// A row, and what is said below it.
pub(super) struct Row {
    pub(super) cells: Vec<String>,
    pub(super) below: Vec<String>,
}

/// Lays rows out under a header: the first two columns to the left, numbers to the right. Where the
/// table would be too wide, the first column is shortened.
pub(super) fn lay_out(header: &[&str], rows: &[Row]) -> Vec<String> {
    let header = Row { cells: header.iter().map(|h| (*h).to_owned()).collect(), below: Vec::new() };
    let mut widths = vec![0; header.cells.len()];
    for row in std::iter::once(&header).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    if let Some(first) = widths.first_mut() {
        *first = first.saturating_sub(total.saturating_sub(WIDTH)).max(4);
    }
    let mut lines = Vec::new();
    for row in std::iter::once(&header).chain(rows) {
        lines.push(line(&row.cells, &widths));
        row.below.iter().for_each(|text| wrap(text, &mut lines));
    }
    lines
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let aligned = cells.iter().zip(widths).enumerate().map(|(i, (cell, &width))| {
        let cell = shortened(cell, width);
        if i < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    let text = aligned.collect::<Vec<_>>().join(&" ".repeat(GAP));
    text.trim_end().to_owned()
}

/// The text in at most `width` characters, its middle left out where it is longer.
fn shortened(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let head = width.saturating_sub(1) / 2;
    let tail = width.saturating_sub(1) - head;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}…{end}")
}

/// Breaks a text at blanks into indented lines.
fn wrap(text: &str, lines: &mut Vec<String>) {
    let mut line = " ".repeat(INDENT);
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(INDENT + 2)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Row {
        Row { cells: cells.iter().map(|c| (*c).to_owned()).collect(), below: Vec::new() }
    }

    #[test]
    fn columns_line_up() {
        let mut first = row(&["conv1", "[6, 28, 28]", "156"]);
        first.below.push("a formula".to_owned());
        let lines = lay_out(&["layer", "output", "parameters"], &[first, row(&["r", "[6]", "0"])]);
        assert_eq!(
            lines,
            [
                "layer  output       parameters",
                "conv1  [6, 28, 28]         156",
                "    a formula",
                "r      [6]                   0",
            ]
        );
    }

    #[test]
    fn nothing_is_wider_than_a_line() {
        let long = "layer1.0.".repeat(30);
        let mut wide = row(&[&long, "[64, 112, 112]", "1,234,567"]);
        wide.below.push("word ".repeat(100));
        let lines = lay_out(&["layer", "output", "parameters"], &[wide]);
        assert!(lines.iter().all(|l| l.chars().count() <= WIDTH), "{lines:#?}");
        assert!(lines[1].contains('…') && lines[1].ends_with("1,234,567"), "{lines:#?}");
    }
}

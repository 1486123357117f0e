//! Lines of a terminal's width.

use crate::record::text::printable;

/// Columns of everything that is printed.
pub(crate) const WIDTH: usize = 80;

/// The text in lines of at most [`WIDTH`] columns, with a newline at the end of each. What someone may copy stays whole: no
/// option breaks at its hyphens, and no figure parts from its "%".
pub(crate) fn wrapped(text: &str, first: &str, others: &str) -> String {
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(others)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(&text.replace(" %", "\u{a0}%"), options).replace("\u{a0}%", " %") + "\n"
}

/// A sentence that stands beside what was asked for, in lines as [`wrapped`] makes them.
pub(crate) fn notice(text: &str) -> String {
    wrapped(&printable(text), "  notice: ", "          ")
}

/// "1 run", "2 runs".
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_and_no_figure_is_torn() {
        let text = "a bit more ".repeat(20) + "--warm-up 95.5 % ";
        for start in 0..WIDTH {
            let lines = wrapped(&text[start..], "", "  ");
            assert!(lines.contains("--warm-up") && lines.contains("95.5 %"), "{lines}");
            assert!(lines.lines().all(|line| line.len() <= WIDTH), "{lines}");
        }
    }
}

//! Text from drivers, libraries and strangers, made fit to be shown and to be part of a name.

/// Names come from drivers, and sentences from libraries and strangers: no control characters, terminal escapes, direction
/// marks, or anything else that is there and not seen.
pub fn printable(text: &str) -> String {
    text.chars().filter(|&c| !c.is_control() && !is_invisible(c)).collect()
}

/// A message of several lines, each of them [`printable`].
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Unicode's format characters (general category Cf), its separators of lines and paragraphs, and variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}'..='\u{1160}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text without what stands in parentheses: a driver's remarks.
pub(crate) fn without_remarks(text: &str) -> String {
    let mut depth = 0;
    let outside = |c: &char| {
        depth += i32::from(*c == '(');
        let outside = depth == 0;
        depth = (depth - i32::from(*c == ')')).max(0);
        outside
    };
    text.chars().filter(outside).collect()
}

/// Letters, digits and single hyphens, without remarks: safe in any file system and on any command line.
pub(crate) fn slug(text: &str) -> String {
    let text = without_remarks(text).to_ascii_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("-");
    slug.truncate(60); // ASCII
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "unknown".into() } else { slug.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_driver_calls_itself_reaches_the_terminal_raw() {
        assert_eq!(printable("GPU\x1b[31m\n\u{202e}evil\u{200b}"), "GPU[31mevil");
        assert_eq!(printable_lines("a\x1b[31m\r\nlist:\n  0\tb"), "a[31m\nlist:\n  0b", "lines of ours stay lines");
    }

    #[test]
    fn remarks_are_left_out_however_they_are_nested() {
        assert_eq!(without_remarks("Intel(R) UHD (KBL (GT2)) 620"), "Intel UHD  620");
        assert_eq!(without_remarks(") a (b"), ") a ");
    }

    #[test]
    fn names_of_gpus_become_parts_of_file_names() {
        assert_eq!(slug("NVIDIA H100 80GB HBM3"), "nvidia-h100-80gb-hbm3");
        assert_eq!(slug("llvmpipe (LLVM 15.0.6, 256 bits)"), "llvmpipe");
        assert_eq!(slug("Intel(R) UHD Graphics 620 (KBL GT2)"), "intel-uhd-graphics-620");
        assert_eq!(slug("../../etc/<script>\n|é"), "etc-script");
        assert_eq!(slug("図"), "unknown");
        assert!(slug(&"long ".repeat(50)).len() <= 60);
    }
}

//! From the bytes of a logger to figures: `watts` or `seconds,watts`, a line each.

/// What one line says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub watts: f64,
    /// On the meter's own clock.
    pub own_s: Option<f64>,
}

/// A longer line is no figure.
const LONGEST_LINE: usize = 256;

/// More is no power of any machine, in whatever unit a meter tells it.
const MOST: f64 = 1e9;

/// `12.3`, `12.3 W`, `1700000000.5,12.3`; commas, semicolons, tabs and spaces separate. None for anything else,
/// numbers that are none and a decimal comma included: nobody can tell 63,7 from 7 W after 63 s, so that it is read as
/// that.
pub fn parse(line: &str) -> Option<Figure> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let line = line.trim().trim_end_matches(['W', 'w']);
    let fields: Vec<&str> = line.split([',', ';', '\t', ' ']).filter(|field| !field.is_empty()).collect();
    let figure = match fields[..] {
        [watts] => Figure { watts: number(watts)?, own_s: None },
        [seconds, watts] => Figure { watts: number(watts)?, own_s: Some(number(seconds)?) },
        _ => return None,
    };
    (figure.watts.abs() <= MOST).then_some(figure)
}

/// Puts lines together from pieces of any length.
#[derive(Default)]
pub struct Lines {
    partial: Vec<u8>,
    /// The line is too long to be one: all that comes of it is left out.
    too_long: bool,
}

impl Lines {
    /// Hands over what each line that ends in `bytes` says; None where it says nothing. Empty lines and comments (#)
    /// are none.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(Option<Figure>)) {
        for &byte in bytes {
            if byte != b'\n' {
                self.too_long |= self.partial.len() == LONGEST_LINE;
                if !self.too_long {
                    self.partial.push(byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&self.partial);
            let text = text.trim();
            if self.too_long {
                each(None);
            } else if !text.is_empty() && !text.starts_with('#') {
                each(parse(text));
            }
            self.forget();
        }
    }

    /// What has begun is not to be continued.
    pub fn forget(&mut self) {
        self.partial.clear();
        self.too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_watts_or_seconds_and_watts() {
        let plain = |watts| Some(Figure { watts, own_s: None });
        let timed = |own_s, watts| Some(Figure { watts, own_s: Some(own_s) });
        assert_eq!([parse("63.7"), parse(" 63.7 W\r"), parse("63W")], [plain(63.7), plain(63.7), plain(63.0)]);
        assert_eq!([parse("-0.2"), parse("1e2")], [plain(-0.2), plain(100.0)]);
        assert_eq!([parse("1.5,63.7"), parse("1.5; 63.7 W"), parse("1.5\t63.7")], [timed(1.5, 63.7); 3]);
        for line in ["", "power", "NaN", "inf", "1e300", "1,2,3", "{\"apower\":63.7}", "12.3 mW", "--"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn lines_come_in_pieces_and_no_line_is_too_long_for_the_memory() {
        let mut lines = Lines::default();
        let mut found = vec![];
        let garbage = [b'x'; 10_000];
        for piece in [&b"# watts\n6"[..], b"3", b".7\n\n64\n", &garbage, b"\n65", b"\n\xff\xfe\n66"] {
            lines.take(piece, |figure| found.push(figure.map(|figure| figure.watts)));
        }
        assert_eq!(found, [Some(63.7), Some(64.0), None, Some(65.0), None]);
        lines.forget();
        lines.take(b"7\n", |figure| found.push(figure.map(|figure| figure.watts)));
        assert_eq!(found.last(), Some(&Some(7.0)), "66 was not finished");
    }
}

//! Text of strangers, made harmless for a terminal.

/// What a character that must not reach the terminal is replaced with.
const REPLACEMENT: char = '\u{fffd}';

/// The text without characters that steer the terminal or that turn the direction of what follows.
/// Line breaks stay.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if steers(c) { REPLACEMENT } else { c }).collect()
}

/// [`plain`], with every further line marked as a continuation: nobody's message can look like a
/// line of somebody else's.
pub(crate) fn continued(text: &str) -> String {
    plain(text).replace('\n', "\n      | ")
}

/// Text that stays on its line.
pub(crate) fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

fn steers(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    );
    // Joiners belong to emoji and to some scripts.
    let joins = matches!(c, '\u{200c}' | '\u{200d}');
    (c.is_control() && c != '\n') || (invisible && !joins)
}

#[cfg(test)]
mod tests {
    use super::{continued, plain};

    #[test]
    fn text_cannot_steer_the_terminal_or_turn_it_around() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\r"), "a\u{fffd}[2Jb\nc\u{fffd}");
        assert_eq!(plain("pay \u{202e}001"), "pay \u{fffd}001");
        let family = "\u{1f468}\u{200d}\u{1f469}";
        assert_eq!(plain(family), family);
    }

    #[test]
    fn a_message_cannot_forge_a_line() {
        assert_eq!(continued("ok\n[9] alice: hi"), "ok\n      | [9] alice: hi");
    }
}

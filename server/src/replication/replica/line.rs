//! Reading lines from a primary, before its stream begins.

/// The longest line of a primary, in bytes.
const MAX_LINE: usize = 1024;

/// Result of [`take_line`].
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// The line is incomplete.
    Unfinished,
    /// The line is longer than any line of a primary.
    TooLong,
}

/// Takes a line out of `inbox`.
pub fn take_line(inbox: &mut Vec<u8>) -> Line {
    let end = inbox.iter().position(|&byte| byte == b'\n');
    match end {
        None if inbox.len() <= MAX_LINE => Line::Unfinished,
        Some(end) if end <= MAX_LINE => {
            let mut line: Vec<u8> = inbox.drain(..=end).collect();
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            Line::Whole(line)
        }
        _ => Line::TooLong,
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, MAX_LINE, take_line};

    #[test]
    fn lines_are_taken_whole_and_bounded() {
        let mut inbox = b"+PONG\r\n\n+OK".to_vec();
        assert_eq!(take_line(&mut inbox), Line::Whole(b"+PONG".to_vec()));
        assert_eq!(take_line(&mut inbox), Line::Whole(Vec::new()));
        assert_eq!(take_line(&mut inbox), Line::Unfinished);
        assert_eq!(inbox, b"+OK");
        assert_eq!(take_line(&mut vec![b'x'; MAX_LINE + 1]), Line::TooLong);
    }
}

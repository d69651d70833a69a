//! Hints: the arguments that a command still lacks, shown in grey after the cursor.

use std::fs;
use std::path::Path;

use conn::error::system_reason;
use words::{is_space, split};

use crate::docs::find;
use crate::out::{Exit, complain, print};

/// The exit code about a file that cannot be used.
const UNUSABLE: u8 = 255;

/// The hint for a line that is being typed; `None` when it holds no command.
///
/// The last word is ignored until a space follows it, because it may not be complete.
pub fn hint(line: &[u8]) -> Option<String> {
    let mut words = split(line).ok()?;
    if !line.last().copied().is_some_and(is_space) {
        words.pop();
    }
    let (spec, used) = find(&words)?;
    let rest: Vec<&[u8]> = words[used..].iter().map(Vec::as_slice).collect();
    Some(table::hints::hint(spec.args, &rest))
}

/// `--test_hint`: prints the hint for a line.
pub fn show(line: &[u8]) {
    print(format!("{}\n", hint(line).unwrap_or_default()));
}

/// `--test_hint_file`: checks lines of the form `"input" "expected hint"`.
///
/// # Errors
/// The file cannot be read or is malformed, or a hint is not the expected one.
pub fn test_file(path: &Path, verbose: bool) -> Result<(), Exit> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            let reason = system_reason(&error);
            return refuse(format!("Can't open file '{}': {reason}", path.display()));
        }
    };
    let (mut passed, mut total) = (0_u32, 0_u32);
    for line in text.split(|&byte| byte == b'\n') {
        if line.starts_with(b"#") {
            continue;
        }
        let (input, expected) = match split(line).unwrap_or_default().as_slice() {
            [] => continue,
            [input] => {
                let input = String::from_utf8_lossy(input);
                return refuse(format!("Missing expected hint for input '{input}'"));
            }
            [input, expected, ..] => (
                input.clone(),
                String::from_utf8_lossy(expected).into_owned(),
            ),
        };
        let hint = hint(&input).unwrap_or_default();
        let input = String::from_utf8_lossy(&input);
        if verbose {
            print(format!(
                "Input: '{input}', Expected: '{expected}', Hint: '{hint}'\n"
            ));
        }
        total += 1;
        if hint.trim_end() == expected {
            passed += 1;
        } else {
            complain(format!(
                "Test case '{input}' FAILED: expected '{expected}', got '{hint}'"
            ));
        }
    }
    let verdict = if passed == total {
        "SUCCESS"
    } else {
        "FAILURE"
    };
    print(format!("{verdict}: {passed}/{total} passed\n"));
    match u8::try_from(total - passed) {
        Ok(0) => Ok(()),
        // Redis's own exits with the number of failures as well, but with 0 after 256 of them.
        failures => Err(Exit(failures.unwrap_or(UNUSABLE))),
    }
}

/// Refuses a file.
fn refuse(text: String) -> Result<(), Exit> {
    complain(text);
    Err(Exit(UNUSABLE))
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn the_last_word_counts_once_it_is_finished() {
        let table = [
            ("get", None),
            ("get ", Some("key")),
            ("GET abc", Some("key")),
            ("GET abc ", Some("")),
            ("XRANGE k 4 2 COU", Some("[COUNT count]")),
            ("XRANGE k 4 2 COUNT ", Some("count")),
            ("config set a ", Some("value [parameter value ...]")),
            ("set k \"open", None),
            ("nosuch ", None),
            ("", None),
            (" ", None),
        ];
        for (line, expected) in table {
            assert_eq!(hint(line.as_bytes()).as_deref(), expected, "{line:?}");
        }
    }
}

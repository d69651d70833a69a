//! Selectors that are spread over several arguments: `(+get ~a*)` may be given as `(+get` and `~a*)`.

use std::borrow::Cow;

/// Joins the arguments of each selector by spaces; other arguments stay as they are.
///
/// # Errors
/// The position of an argument that opens a selector which no later argument closes.
pub fn merged<'a>(args: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Cow<'a, [u8]>>, usize> {
    let mut rules: Vec<Cow<'a, [u8]>> = Vec::new();
    let mut opened: Option<usize> = None;
    for (at, arg) in args.into_iter().enumerate() {
        let closes = arg.last() == Some(&b')');
        if opened.is_some() {
            if let Some(selector) = rules.last_mut() {
                selector.to_mut().push(b' ');
                selector.to_mut().extend_from_slice(arg);
            }
            opened = opened.filter(|_| !closes);
        } else {
            opened = (arg.first() == Some(&b'(') && !closes).then_some(at);
            rules.push(Cow::Borrowed(arg));
        }
    }
    match opened {
        Some(at) => Err(at),
        None => Ok(rules),
    }
}

#[cfg(test)]
mod tests {
    use super::merged;

    /// What is expected: the rules, or the place of an argument.
    type Expected = Result<&'static [&'static str], usize>;

    #[test]
    fn selectors_are_joined() {
        let rows: &[(&[&str], Expected)] = &[
            (&[], Ok(&[])),
            (&["on", "", "~a"], Ok(&["on", "", "~a"])),
            (&["(+get)", "(", "~a", ")"], Ok(&["(+get)", "( ~a )"])),
            (&["(+get", "", "~a)", ")"], Ok(&["(+get  ~a)", ")"])),
            (&["(", "(", ")", ")"], Ok(&["( ( )", ")"])),
            (&["on", "(a", "(b"], Err(1)),
            (&["("], Err(0)),
            (&["()"], Ok(&["()"])),
        ];
        for (args, expected) in rows {
            let got = merged(args.iter().map(|arg| arg.as_bytes()));
            let got = got.map(|rules| rules.iter().map(|rule| rule.to_vec()).collect::<Vec<_>>());
            let expected =
                expected.map(|rules| rules.iter().map(|rule| rule.as_bytes().to_vec()).collect());
            assert_eq!(got, expected, "{args:?}");
        }
    }
}

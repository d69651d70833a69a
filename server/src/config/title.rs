//! `proc-title-template`: expanding variables in braces.
//!
//! `{name}` stands for a value and `{{` for a brace.

/// The variables of a template.
pub const VARIABLES: [&str; 7] = [
    "title",
    "listen-addr",
    "server-mode",
    "port",
    "tls-port",
    "unixsocket",
    "config-file",
];

/// Expands a template; `None` if a brace is not closed or `value` does not know a variable.
pub fn expand(template: &str, mut value: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            out.push('{');
            rest = after;
        } else {
            let (name, after) = rest.split_once('}')?;
            out.push_str(&value(name)?);
            rest = after;
        }
    }
    out.push_str(rest);
    Some(out.trim_matches(' ').to_owned())
}

/// Whether a template is valid.
pub fn is_valid(template: &str) -> bool {
    let known = |name: &str| VARIABLES.contains(&name).then(|| name.to_owned());
    expand(template, known).is_some_and(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{expand, is_valid};

    #[test]
    fn variables_are_replaced() {
        let value = |name: &str| (name == "port").then(|| "6379".to_owned());
        let rows = [
            ("TEST {port}", Some("TEST 6379")),
            ("  {port}{port} ", Some("63796379")),
            ("{{port}", Some("{port}")),
            ("plain}", Some("plain}")),
            ("{port", None),
            ("x{", None),
            ("{other}", None),
        ];
        for (template, title) in rows {
            assert_eq!(expand(template, value).as_deref(), title, "{template}");
        }
    }

    #[test]
    fn unknown_variables_and_empty_titles_are_refused() {
        assert!(is_valid("{title} {listen-addr} {server-mode}"));
        for template in ["", "   ", "{nothing}", "{title"] {
            assert!(!is_valid(template), "{template}");
        }
    }
}

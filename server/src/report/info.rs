//! INFO: writing fields.

use std::fmt::{Display, Write};

/// The text being written.
#[derive(Default)]
pub struct Info {
    text: String,
}

impl Info {
    /// Starts a section, with an empty line before all but the first.
    pub fn title(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        let _ = write!(self.text, "# {title}\r\n");
    }

    /// Returns the text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// One field.
    pub fn field(&mut self, name: impl Display, value: impl Display) {
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    /// A size in bytes, and in human-readable form.
    pub fn size(&mut self, name: &str, bytes: usize) {
        self.field(name, bytes);
        self.field(format_args!("{name}_human"), human(bytes));
    }

    /// A ratio with two decimals.
    pub fn ratio(&mut self, name: &str, value: f64) {
        self.field(name, format_args!("{value:.2}"));
    }
}

/// Formats a size as Redis does: `1.50M`.
pub fn human(bytes: usize) -> String {
    let (shift, unit) = match bytes {
        0..0x400 => return format!("{bytes}B"),
        0x400..0x10_0000 => (10, "K"),
        0x10_0000..0x4000_0000 => (20, "M"),
        0x4000_0000..0x100_0000_0000 => (30, "G"),
        _ => (40, "T"),
    };
    format!("{:.2}{unit}", bytes as f64 / (1u64 << shift) as f64)
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (931_144, "909.32K"),
            (25_276_510_208, "23.54G"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}

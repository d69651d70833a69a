//! The way to the primary that this server is a replica of.

/// The link.
#[derive(Debug, Default)]
pub struct Link {
    /// Name or address of the primary.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Link {
    /// Whether the primary's stream is being followed.
    pub fn is_up(&self) -> bool {
        false
    }
}

//! Client names and library information: one rule for the characters that they may contain.

use crate::state::client::Client;
use crate::wire::fault::Fault;

/// Printable ASCII without spaces: what CLIENT LIST can show in one field.
pub fn is_clean(text: &[u8]) -> bool {
    text.iter().all(|b| (b'!'..=b'~').contains(b))
}

/// Checks the name of a client.
///
/// # Errors
/// It contains a character that would break CLIENT LIST.
pub fn check_name(name: &[u8]) -> Result<(), Fault> {
    if is_clean(name) {
        return Ok(());
    }
    Err(Fault::new(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

/// CLIENT SETNAME; an empty name removes it.
///
/// # Errors
/// The name contains a character that would break CLIENT LIST.
pub fn set_name(client: &mut Client, name: &[u8]) -> Result<(), Fault> {
    check_name(name)?;
    client.name = name.to_vec();
    Ok(())
}

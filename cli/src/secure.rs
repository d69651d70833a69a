//! TLS of the connections: certificates, and the name that a server's certificate has to carry.
//!
//! | where the name comes from | server name and check |
//! |---|---|
//! | a cluster announced a host name for the node | that name |
//! | `--sni` | that name |
//! | the host name that was connected to | that name |
//! | an address | none; a certificate without it is worth a warning, once per host |

use conn::blocking::Client;
use conn::dial::Place;
use conn::error::ConnError;
use conn::names::NameOptions;
use conn::tls::context::TlsContext;

use std::time::Duration;

use crate::advice::{Asked, advise};
use crate::options::Tls;
use crate::out::complain;

/// Certificates, and what is verified.
pub struct Secure {
    context: TlsContext,
    names: NameOptions,
    /// A client certificate is sent.
    pub has_cert: bool,
    /// The host whose certificate a warning was printed about.
    warned: Option<String>,
}

impl Secure {
    /// Loads certificates and keys.
    ///
    /// # Errors
    /// They cannot be loaded.
    pub fn load(tls: &Tls) -> Result<Self, ConnError> {
        Ok(Self {
            context: TlsContext::for_client(&tls.config)?,
            names: tls.names.clone(),
            has_cert: tls.config.cert.is_some(),
            warned: None,
        })
    }

    /// The reason of a failure to connect to `host`, with advice.
    pub fn advise(&self, error: &ConnError, host: &str, announced: Option<&str>) -> String {
        let names = self.names(announced);
        let asked = Asked {
            name: names.asked(host),
            has_cert: self.has_cert,
        };
        advise(error, &asked)
    }

    /// The options for a node with an announced name.
    fn names(&self, announced: Option<&str>) -> NameOptions {
        let mut names = self.names.clone();
        if let Some(name) = announced {
            names.sni = Some(name.to_owned());
        }
        names
    }

    /// Warns, once per host, of a certificate that does not carry the address that was connected to.
    fn warn_of_name(&mut self, client: &Client, host: Option<&str>, names: &NameOptions) {
        if self.warned.as_deref() == host {
            return;
        }
        if let Some(warning) = names.check(host).warning(client.identity().as_ref()) {
            complain(warning);
            self.warned = host.map(str::to_owned);
        }
    }
}

/// Connects, with TLS if `secure` is given. `announced` is the host name that a cluster announces for this node.
///
/// # Errors
/// As [`Client::connect`].
pub fn dial(
    secure: Option<&mut Secure>,
    place: &Place<'_>,
    announced: Option<&str>,
    timeout: Option<Duration>,
) -> Result<Client, ConnError> {
    let Some(secure) = secure else {
        return Client::connect(place, None, timeout);
    };
    let host = match *place {
        Place::Tcp { host, .. } => Some(host),
        Place::Unix(_) => None,
    };
    let names = secure.names(announced);
    let tls = names.check(host).tls(&secure.context);
    let client = Client::connect(place, Some(tls), timeout)?;
    secure.warn_of_name(&client, host, &names);
    Ok(client)
}

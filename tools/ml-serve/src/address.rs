//! Where to listen, and whom that lets in.

use ml_common::{Class, Failure, Result};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

/// Reads `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`, `:5000` or `5000`.
pub fn parse(text: &str) -> Result<Address, String> {
    let port = |text: &str| text.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let local = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    let address = text.parse().ok().or_else(|| port(local));
    address.map(Address).ok_or_else(|| "expected ADDRESS:PORT, such as 127.0.0.1:5000, or PORT".into())
}

impl Address {
    /// Whether to listen there without further words.
    ///
    /// # Errors
    /// Class Usage for an address that other machines reach, unless they are meant.
    pub fn permitted(self, public: bool) -> Result<()> {
        if public || self.0.ip().is_loopback() {
            return Ok(());
        }
        Err(Failure::new(Class::Usage, format!("{} can be reached from other machines, and the page asks for no password", self.0))
            .hint("listen on 127.0.0.1 behind a proxy that asks, or say --public"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_usual_form() {
        for (text, address) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("5000", "127.0.0.1:5000"),
            (":80", "127.0.0.1:80"),
            ("localhost:0", "127.0.0.1:0"),
            ("[::1]:9187", "[::1]:9187"),
            ("0.0.0.0:9187", "0.0.0.0:9187"),
        ] {
            assert_eq!(parse(text).unwrap().0.to_string(), address, "{text}");
        }
        for text in ["", "host.example:80", "127.0.0.1", "70000", "-1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_address_has_to_be_meant() {
        for text in ["0.0.0.0:1", "[::]:1", "192.0.2.7:1"] {
            let address = parse(text).unwrap();
            assert_eq!(address.permitted(false).unwrap_err().class, Class::Usage, "{text}");
            assert!(address.permitted(true).is_ok());
        }
        assert!(parse("[::1]:1").unwrap().permitted(false).is_ok());
    }
}

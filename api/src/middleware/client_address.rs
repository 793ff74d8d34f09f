//! Address of the client that sent a request: that of its connection, or the one that a trusted proxy names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::{
    HttpRequest,
    http::header::{FORWARDED, HeaderMap, HeaderName},
    web::Data,
};
use clap::ValueEnum;
use ipnet::IpNet;

/// Proxies that may name the client of a request. Without any, headers are ignored.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct TrustedProxies {
    /// Addresses or prefixes of the proxies whose header names the client of a request, separated by commas
    #[arg(
        id = "trusted_proxies",
        long = "trusted-proxies",
        env = "MARKETSVC_TRUSTED_PROXIES",
        value_name = "PREFIX",
        value_delimiter = ',',
        value_parser = prefix
    )]
    prefixes: Vec<IpNet>,
    /// Header in which the proxies name the client
    #[arg(
        id = "forwarded_header",
        long = "forwarded-header",
        env = "MARKETSVC_FORWARDED_HEADER",
        value_name = "HEADER",
        default_value = "x-forwarded-for"
    )]
    header: ForwardedHeader,
}

/// Header in which proxies name the client. Only one is read: most proxies write one, and pass on what a client
/// wrote into the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ForwardedHeader {
    /// A list of addresses
    #[default]
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}

impl TrustedProxies {
    /// Returns the address of the client that sent the request; none for a connection without addresses.
    pub fn client_of(request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        let proxies = request.app_data::<Data<Self>>();
        Some(proxies.map_or(peer, |proxies| proxies.client(peer, request.headers())))
    }

    /// Returns the rightmost address that is not a trusted proxy's: each proxy appends the address of its own peer, and
    /// everything before may have been written by the client.
    ///
    /// Text that is not an address ends the search at the proxy that wrote it.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(peer) {
            return peer;
        }
        let mut named = self.named(headers);
        while self.trusts(client) {
            let Some(Some(address)) = named.next() else { break };
            client = address;
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }

    /// Returns the addresses in the header, the last one first; `None` for what is not an address.
    fn named(&self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
        let (name, read): (HeaderName, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), node),
            ForwardedHeader::Forwarded => (FORWARDED, forwarded_for),
        };
        let lines: Vec<_> = headers.get_all(name).collect();
        lines.into_iter().rev().flat_map(move |line| {
            let elements = line.as_bytes().rsplit(|byte| *byte == b',');
            elements.map(move |element| read(str::from_utf8(element).ok()?.trim()))
        })
    }
}

/// Returns the address in the parameter `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter_map(|pair| match pair {
        Some((name, value)) if name.eq_ignore_ascii_case("for") => Some(value),
        _ => None,
    });
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    node(quoted.unwrap_or(value))
}

/// Returns an address that may have a port, and brackets if it is one of IPv6; none for `unknown` and for obfuscated
/// identifiers.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| bracketed().map(IpAddr::from));
    let address = address.or_else(|| with_port().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// Parses a prefix such as `10.0.0.0/8`, or an address.
fn prefix(text: &str) -> Result<IpNet, String> {
    let prefix = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    prefix.map_err(|_| "must be an address or a prefix such as 10.0.0.0/8 or fd00::/8".to_owned())
}

/// Address as rate limits count it: a network of IPv6 is one client, which can use any of its 2^64 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressGroup(IpAddr);

impl From<IpAddr> for AddressGroup {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    /// Returns the client of a request from `peer`, by lines of the header.
    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let prefixes = ["10.0.0.0/8", "fd00::/8"].map(|text| prefix(text).unwrap());
        let proxies = TrustedProxies { prefixes: prefixes.into(), header };
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = match header {
                ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
                ForwardedHeader::Forwarded => FORWARDED,
            };
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_up_to_the_first_address_that_is_not_trusted() {
        for (lines, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["198.51.100.7, 192.0.2.1"], "192.0.2.1"),
            (&["198.51.100.7, 192.0.2.1 , 10.1.1.1,fd00::2"], "192.0.2.1"),
            (&["198.51.100.7", "192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1", "10.2.2.2"], "192.0.2.1"),
            (&["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            (&[], PROXY),
            (&[""], PROXY),
            (&["unknown"], PROXY),
            (&["_hidden"], PROXY),
            (&["192.0.2.1, "], PROXY),
            (&["192.0.2.1, é"], PROXY),
            (&["192.0.2.1, 10.9.9.9, x"], PROXY),
            (&["192.0.2.1, x, 10.9.9.9"], "10.9.9.9"),
            (&["192.0.2.1:99999"], PROXY),
            (&["fe80::1%eth0"], PROXY),
            (&["192.0.2.0/24"], PROXY),
            (&["192.168.2.300"], PROXY),
        ] {
            let found = client(ForwardedHeader::XForwardedFor, PROXY, lines);
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_like_it() {
        for (lines, expected) in [
            (&["for=192.0.2.1"][..], "192.0.2.1"),
            (&["For=\"[2001:db8::1]:4711\""], "2001:db8::1"),
            (&["for=192.0.2.43;proto=http; by=203.0.113.43"], "192.0.2.43"),
            (&["for=198.51.100.7, proto=https;for=192.0.2.1"], "192.0.2.1"),
            (&["for=198.51.100.7", "for=192.0.2.1, for=10.2.2.2"], "192.0.2.1"),
            // A client's open quotation mark does not reach over the element of the proxy.
            (&["for=\"198.51.100.7, for=192.0.2.1"], "192.0.2.1"),
            (&["for=unknown"], PROXY),
            (&["for=_gazonk"], PROXY),
            (&["for=192.0.2.1, for=\"_SEVKISEK\""], PROXY),
            (&["for=192.0.2.1, proto=https"], PROXY),
            (&["for=192.0.2.1;for=192.0.2.2"], PROXY),
            (&["for=\"192.0.2.1"], PROXY),
            (&["for=\"192.0.2\\.1\""], PROXY),
            (&["192.0.2.1"], PROXY),
        ] {
            let found = client(ForwardedHeader::Forwarded, PROXY, lines);
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn only_a_trusted_peer_names_the_client() {
        for peer in ["192.0.2.9", "2001:db8::9", "11.0.0.1"] {
            let named = client(ForwardedHeader::XForwardedFor, peer, &["198.51.100.7"]);
            assert_eq!(named, peer);
        }
    }

    #[test]
    fn addresses_of_ipv6_are_counted_by_64() {
        let group = |text: &str| AddressGroup::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(group("2001:db8:0:1::1"), group("2001:db8:0:1:ffff::"));
        assert_ne!(group("2001:db8:0:1::1"), group("2001:db8:0:2::1"));
        assert_eq!(group("::ffff:192.0.2.1"), group("192.0.2.1"));
        assert_ne!(group("192.0.2.1"), group("192.0.2.2"));
    }

    #[test]
    fn a_prefix_is_an_address_or_a_network() {
        assert_eq!(prefix("127.0.0.1").unwrap(), "127.0.0.1/32".parse().unwrap());
        assert_eq!(prefix("fd00::/8").unwrap(), "fd00::/8".parse().unwrap());
        for wrong in ["", "x", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/8/8"] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }
}

#[cfg(test)]
mod properties {
    use actix_web::http::header::HeaderValue;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn headers(name: HeaderName, lines: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_writes_changes_what_the_proxy_appends(
            written in vec("[ -~é]{0,40}", 0..3),
            address: IpAddr,
            port: Option<u16>,
        ) {
            let address = address.to_canonical();
            prop_assume!(!address.is_loopback());
            let text = match port {
                Some(port) => SocketAddr::new(address, port).to_string(),
                None => address.to_string(),
            };
            let bracketed = match (port, address) {
                (None, IpAddr::V6(_)) => format!("[{text}]"),
                _ => text.clone(),
            };
            let peer = IpAddr::from([127, 0, 0, 1]);
            for (header, name, appended) in [
                (ForwardedHeader::XForwardedFor, "x-forwarded-for", text),
                (ForwardedHeader::Forwarded, "forwarded", format!("for=\"{bracketed}\"")),
            ] {
                let proxies =
                    TrustedProxies { prefixes: vec![prefix("127.0.0.0/8").unwrap()], header };
                let name = HeaderName::from_static(name);
                // As a line of its own, and at the end of the client's last line.
                let mut lines = written.clone();
                lines.push(appended.clone());
                prop_assert_eq!(proxies.client(peer, &headers(name.clone(), &lines)), address);
                let mut lines = written.clone();
                let last = lines.pop().unwrap_or_default();
                lines.push(format!("{last}, {appended}"));
                prop_assert_eq!(proxies.client(peer, &headers(name, &lines)), address);
            }
        }
    }
}

//! Check of the name by which a client addresses a server without authentication.
//!
//! Web pages may have a name that resolves to a loopback address (DNS rebinding). A browser then sends their requests to
//! this server, with that name in the header `Host`.

use std::{net::IpAddr, str::FromStr};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header::HOST, uri::Authority},
    middleware::Next,
    web::Data,
};

use super::authentication::Authentication;
use crate::respond::problem::Problem;

/// Name or address of a host, without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// Address.
    Address(IpAddr),
    /// Name in small letters, without a dot at its end.
    Name(String),
}

/// Error for text that is no name and no address of a host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a name or an address, without a port")]
pub struct InvalidHost;

impl FromStr for HostName {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = address.unwrap_or(text).parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(InvalidHost);
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }
}

impl HostName {
    /// Reads `name`, `name:port`, `address`, `address:port` or `[address]:port`.
    fn of_authority(text: &str) -> Result<Self, InvalidHost> {
        let authority: Authority = text.parse().map_err(|_| InvalidHost)?;
        let host = authority.host();
        let port = text.strip_prefix(host).ok_or(InvalidHost)?;
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
            return host.parse();
        }
        Err(InvalidHost)
    }

    /// Returns whether only this machine has the name. Names below `localhost` resolve to loopback addresses (RFC 6761).
    fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

/// Names by which clients may address the server, in addition to the loopback names.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<HostName>);

impl AllowedHosts {
    /// Creates a list of these names.
    #[must_use]
    pub fn new(names: Vec<HostName>) -> Self {
        Self(names)
    }

    fn check(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let mut headers = request.headers().get_all(HOST);
        let header = headers.next().map(|value| value.to_str().unwrap_or_default());
        if headers.next().is_some() {
            return Err(Problem::bad_request("the header Host must be given once"));
        }
        // The target of a request may have a host of its own.
        let target = request.uri().authority().map(Authority::as_str);
        let given: Vec<&str> = target.into_iter().chain(header).collect();
        if given.is_empty() {
            return Err(Problem::bad_request("the header Host is missing"));
        }
        for host in given {
            let host = HostName::of_authority(host);
            let host = host.map_err(|_| Problem::bad_request("the header Host is invalid"))?;
            if !host.is_loopback() && !self.0.contains(&host) {
                return Err(Problem::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "without authentication the server is served as localhost only, and under the names \
                     of --allowed-host",
                ));
            }
        }
        Ok(())
    }
}

/// Middleware: while authentication is off, refuses requests to names that are not allowed, probes included.
pub async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_off = matches!(request.app_data(), Some(Authentication::Off));
    let checked = match request.app_data::<Data<AllowedHosts>>() {
        Some(hosts) if is_off => hosts.check(&request),
        _ => Ok(()),
    };
    match checked {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(request.error_response(problem)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::Uri, test::TestRequest};

    use super::*;

    fn status(target: &str, hosts: &[&str]) -> u16 {
        let allowed = ["shop.example", "192.0.2.7", "2001:db8::1"];
        let allowed = AllowedHosts(allowed.map(|name| name.parse().unwrap()).to_vec());
        let mut request = TestRequest::with_uri(target);
        for host in hosts {
            request = request.append_header((HOST, *host));
        }
        let request = request.to_srv_request();
        assert_eq!(request.uri(), &target.parse::<Uri>().unwrap());
        match allowed.check(&request) {
            Ok(()) => 200,
            Err(problem) => actix_web::ResponseError::status_code(&problem).as_u16(),
        }
    }

    #[test]
    fn loopback_names_and_allowed_names_are_served() {
        for host in [
            "localhost",
            "LocalHost:9090",
            "localhost.",
            "localhost:",
            "shop.localhost:80",
            "127.0.0.1:9090",
            "127.9.8.7",
            "[::1]:9090",
            "[::ffff:127.0.0.1]",
            "shop.example:8080",
            "SHOP.example",
            "192.0.2.7",
            "[2001:db8::1]:1",
        ] {
            assert_eq!(status("/", &[host]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "x",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "128.0.0.1",
            "2130706433",
            "0x7f.1",
            "0.0.0.0",
            "[::]",
            "[2001:db8::2]",
            "www.shop.example",
        ] {
            assert_eq!(status("/", &[host]), 421, "{host}");
        }
    }

    #[test]
    fn a_request_has_one_valid_host() {
        for hosts in [
            &[][..],
            &[""],
            &["localhost", "localhost"],
            &["localhost", "evil.example"],
            &["localhost@evil.example"],
            &["evil.example@localhost"],
            &["localhost:80:evil.example"],
            &["localhost:x"],
            &["localhost/evil"],
            &["localhost, evil.example"],
            &["[::1"],
            &["é.example"],
        ] {
            assert_eq!(status("/", hosts), 400, "{hosts:?}");
        }
    }

    #[test]
    fn the_host_of_the_target_counts_too() {
        for (target, hosts, expected) in [
            ("http://localhost/", &["localhost"][..], 200),
            ("http://localhost/", &[], 200),
            ("http://evil.example/", &["localhost"], 421),
            ("http://evil.example/", &[], 421),
            ("http://localhost/", &["evil.example"], 421),
            ("http://joe@localhost/", &["localhost"], 400),
        ] {
            assert_eq!(status(target, hosts), expected, "{target} {hosts:?}");
        }
    }

    #[test]
    fn allowed_names_have_no_port() {
        for invalid in ["", ".", "a:80", "[::1]:80", "*", "a/b", "a b", "é"] {
            assert_eq!(invalid.parse::<HostName>(), Err(InvalidHost), "{invalid}");
        }
    }
}

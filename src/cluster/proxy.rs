//! Selects the proxy for the API server from the environment, by the rules of Go's `net/http`.
//!
//! kube 5.0.0 compares `NO_PROXY` with the URL of the *proxy* and rejects an empty item in it, so the proxy is selected
//! here, and kube gets a fixed one.
//!
//! The rule: `golang.org/x/net/http/httpproxy`, `Config.ProxyFunc`.

use std::env;
use std::net::IpAddr;

/// The proxy variables. The upper-case name wins if both are set and not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProxyVariables {
    /// `HTTPS_PROXY`, for servers with TLS.
    pub(super) https: String,
    /// `HTTP_PROXY`, for servers without TLS.
    pub(super) http: String,
    /// `NO_PROXY`.
    pub(super) exceptions: String,
}

impl ProxyVariables {
    /// Reads the process's environment. A value that is not UTF-8 counts as unset.
    pub(super) fn read() -> Self {
        let either = |upper: &str, lower: &str| {
            [upper, lower]
                .iter()
                .filter_map(|name| env::var(name).ok())
                .find(|value| !value.is_empty())
                .unwrap_or_default()
        };
        Self {
            https: either("HTTPS_PROXY", "https_proxy"),
            http: either("HTTP_PROXY", "http_proxy"),
            exceptions: either("NO_PROXY", "no_proxy"),
        }
    }
}

/// The proxy for the server; `None` for a direct connection. A variable that is not a URL is ignored, as in Go.
pub(super) fn from_environment(server: &http::Uri, variables: &ProxyVariables) -> Option<http::Uri> {
    let (proxy, default_port) = match server.scheme_str() {
        Some("https") => (&variables.https, 443),
        Some("http") => (&variables.http, 80),
        _ => return None,
    };
    let proxy = parse(proxy)?;
    let host = server.host()?;
    let port = server.port_u16().unwrap_or(default_port);
    needs_proxy(host, port, &variables.exceptions).then_some(proxy)
}

/// Parses a proxy URL; one without a scheme is an `http` proxy.
pub(super) fn parse(text: &str) -> Option<http::Uri> {
    if text.is_empty() {
        return None;
    }
    let whole = |text: &str| {
        text.parse::<http::Uri>()
            .ok()
            .filter(|uri| uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty()))
    };
    match text.contains("://") {
        true => whole(text),
        false => whole(&format!("http://{text}")),
    }
}

/// Whether a connection to that host and port goes through the proxy.
fn needs_proxy(host: &str, port: u16, exceptions: &str) -> bool {
    let host = unbracketed(host).to_lowercase();
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
        return false;
    }
    !exceptions.split(',').map(|item| item.trim().to_lowercase()).any(|item| matches(&item, &host, ip, port))
}

/// Whether one item of `NO_PROXY` matches the host.
fn matches(item: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    if item == "*" {
        return true;
    }
    if let Some(network) = Network::parse(item) {
        return ip.is_some_and(|ip| network.contains(ip));
    }
    let (name, wanted_port) = split_port(item);
    if name.is_empty() || wanted_port.is_some_and(|wanted| wanted != port.to_string()) {
        return false;
    }
    if let Ok(wanted) = name.parse::<IpAddr>() {
        return ip == Some(wanted.to_canonical());
    }
    // `*.example.com` and `.example.com` match subdomains; `example.com` also matches itself.
    let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// Splits `host:port` and `[v6]:port`. An IPv6 address without brackets has no port, and `host:` means every port.
fn split_port(item: &str) -> (&str, Option<&str>) {
    match item.rsplit_once(':') {
        Some((host, port)) if (host.starts_with('[') && host.ends_with(']')) || !host.contains([':', '[']) => {
            (unbracketed(host), Some(port).filter(|port| !port.is_empty()))
        }
        _ => (item, None),
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A CIDR range such as `10.0.0.0/8`.
struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let base: IpAddr = base.parse().ok()?;
        let bits = bits.parse().ok()?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        (bits <= width).then_some(Self { base, bits })
    }

    fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                let beyond = 32 - self.bits;
                u32::from(base).checked_shr(beyond) == u32::from(ip).checked_shr(beyond)
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                let beyond = 128 - self.bits;
                u128::from(base).checked_shr(beyond) == u128::from(ip).checked_shr(beyond)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn decide(server: &str, no_proxy: &str) -> bool {
        let variables = ProxyVariables {
            https: "http://proxy:3128".into(),
            http: "http://proxy:3128".into(),
            exceptions: no_proxy.into(),
        };
        from_environment(&server.parse().unwrap(), &variables).is_some()
    }

    #[test]
    fn no_proxy_matches_the_server_as_in_go() {
        let through_the_proxy = [
            ("https://api.example.com", ""),
            ("https://api.example.com", ",, ,"),
            ("https://api.example.com", "proxy"),
            ("https://api.example.com", "other.com,ample.com"),
            ("https://example.com", ".example.com"),
            ("https://example.com", "*.example.com"),
            ("https://api.example.com", "example.com:6443"),
            ("https://10.1.2.3:6443", "11.0.0.0/8"),
            ("https://10.1.2.3:6443", "10.1.2.3:443"),
            ("https://10.1.2.3:6443", "10.1.2"),
            ("https://api.example.com", "10.0.0.0/8"),
            ("https://api.example.com", ":443"),
            ("https://api.example.com", "/,[,],10.0.0.0/33,a:b:c,://"),
            ("https://[2001:db8::1]:6443", "2001:db9::/32"),
            ("https://localhost.example.com", ""),
        ];
        for (server, no_proxy) in through_the_proxy {
            assert!(decide(server, no_proxy), "{server} with NO_PROXY={no_proxy:?}");
        }
        let direct = [
            ("https://api.example.com", "*"),
            ("https://api.example.com", "foo,*,bar"),
            ("https://api.example.com", "api.example.com"),
            ("https://api.example.com", "API.Example.com"),
            ("https://API.example.com", "api.example.com"),
            ("https://api.example.com", "foo,, example.com ,"),
            ("https://api.example.com", ".example.com"),
            ("https://api.example.com", "*.example.com"),
            ("https://api.example.com:6443", "example.com:6443"),
            ("https://api.example.com", "example.com:443"),
            ("https://api.example.com", "example.com:"),
            ("http://api.example.com", "example.com:80"),
            ("https://10.1.2.3:6443", "10.0.0.0/8"),
            ("https://10.1.2.3:6443", "0.0.0.0/0"),
            ("https://10.1.2.3:6443", "10.1.2.3"),
            ("https://10.1.2.3:6443", "10.1.2.3:6443"),
            ("https://10.1.2.3:6443", "::ffff:10.1.2.3"),
            ("https://[2001:db8::1]:6443", "2001:db8::/32"),
            ("https://[2001:db8::1]:6443", "2001:db8::1"),
            ("https://[2001:db8::1]:6443", "[2001:db8::1]:6443"),
            ("https://localhost:6443", ""),
            ("https://127.0.0.1:6443", ""),
            ("https://127.9.9.9:6443", ""),
            ("https://[::1]:6443", ""),
        ];
        for (server, no_proxy) in direct {
            assert!(!decide(server, no_proxy), "{server} with NO_PROXY={no_proxy:?}");
        }
    }

    #[test]
    fn server_scheme_selects_the_variable() {
        let variables =
            ProxyVariables { https: "http://secure:1".into(), http: "plain:2".into(), exceptions: String::new() };
        let proxy = |server: &str| from_environment(&server.parse().unwrap(), &variables).map(|uri| uri.to_string());
        assert_eq!(proxy("https://a").as_deref(), Some("http://secure:1/"));
        assert_eq!(proxy("http://a").as_deref(), Some("http://plain:2/"));
        let none = from_environment(&"http://a".parse().unwrap(), &ProxyVariables::default());
        assert_eq!(none, None);
    }

    #[test]
    fn invalid_proxy_variable_is_ignored() {
        assert_eq!(parse("not a url"), None);
        assert_eq!(parse("http://"), None);
        assert_eq!(parse("socks5://h:1080").unwrap().scheme_str(), Some("socks5"));
    }
}

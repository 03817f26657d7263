//! Parses the `server:` of a cluster entry: its URL, the user name and password in it, and whether it uses TLS.

use crate::error::Error;

/// A parsed server URL.
#[derive(Debug)]
pub(super) struct Server {
    /// Scheme, host, port and path only: safe to print.
    pub(super) url: http::Uri,
    /// The user name and password of `https://NAME:PASSWORD@HOST`.
    pub(super) basic: Option<(String, String)>,
}

impl Server {
    /// Parses the server as client-go does: without a scheme it is plain HTTP, even if the entry has a certificate
    /// authority. `DirectClientConfig.ClientConfig` (`tools/clientcmd/client_config.go`) decides on TLS before it reads
    /// the certificates, by `IsConfigTransportTLS` and `DefaultServerURL` (`rest/config.go`, `rest/url_utils.go`).
    ///
    /// # Errors
    /// The text is not a server URL.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        with_scheme(text)
            .or_else(|| with_scheme(&format!("http://{text}")).filter(|url| !text.contains("://") && url.path() == "/"))
            .and_then(|url| Some(Self { basic: name_and_password(&url), url: bare(&url)? }))
            .ok_or_else(|| Error::Kubeconfig {
                message: format!("invalid server URL {:?}", redacted(text)),
                hint: "use https://HOST:PORT".into(),
            })
    }

    /// Whether the connection uses TLS. Credentials must not be sent without it.
    pub(super) fn has_tls(&self) -> bool {
        self.url.scheme_str() == Some("https")
    }
}

fn with_scheme(text: &str) -> Option<http::Uri> {
    let is_server = |url: &http::Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    text.parse().ok().filter(is_server)
}

fn bare(url: &http::Uri) -> Option<http::Uri> {
    format!("{}{}", origin(url), url.path()).parse().ok()
}

/// `scheme://host:port`, without a user name and password.
pub(super) fn origin(url: &http::Uri) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme_str().unwrap_or_default(), url.host().unwrap_or_default())
}

/// Removes what may be a user name, a password or a query from a text that may be a URL.
pub(super) fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let separator = if rest.len() == text.len() { "" } else { "://" };
    let (hidden, shown) = rest.rsplit_once('@').map_or(("", rest), |(_, shown)| ("…@", shown));
    let end = shown.find(['?', '#']).unwrap_or(shown.len());
    format!("{scheme}{separator}{hidden}{}", &shown[..end])
}

fn name_and_password(url: &http::Uri) -> Option<(String, String)> {
    let (user, _) = url.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    Some((percent_decoded(name), percent_decoded(password)))
}

/// Decodes percent encoding such as `%40`; invalid sequences stay unchanged.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%').then(|| tail.get(..2)).flatten().filter(|code| code.is_ascii());
        let digits = code.and_then(|code| std::str::from_utf8(code).ok()).filter(|code| !code.starts_with('+'));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            None => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn parsed(text: &str) -> (String, bool) {
        let server = Server::parse(text).unwrap();
        (server.url.to_string(), server.has_tls())
    }

    #[test]
    fn server_without_a_scheme_is_plain_http() {
        assert_eq!(parsed("h:6443"), ("http://h:6443/".into(), false));
        assert_eq!(parsed("10.0.0.1"), ("http://10.0.0.1/".into(), false));
        assert_eq!(parsed("HTTPS://h/x"), ("https://h/x".into(), true));
        assert_eq!(parsed("http://[::1]:8080/a/"), ("http://[::1]:8080/a/".into(), false));
    }

    #[test]
    fn invalid_server_url_error_hides_secrets() {
        for bad in ["ftp://h", "not a url", "http://", "://", "h/path", "ftp://u:s3cret@h", "https://u:s3 cret@h"] {
            let error = Server::parse(bad).unwrap_err().to_string();
            assert!(error.contains("invalid server URL") && !error.contains("cret"), "{error}");
        }
    }

    #[test]
    fn name_password_and_query_are_removed_from_url() {
        let server = Server::parse("https://u%40x:p%3Aw%@h:6443/a?token=s3cret").unwrap();
        assert_eq!(server.url, "https://h:6443/a");
        assert_eq!(server.basic, Some(("u@x".into(), "p:w%".into())));
        assert_eq!(Server::parse("https://h").unwrap().basic, None);
    }

    #[test]
    fn redacted_text_shows_scheme_host_and_path() {
        assert_eq!(redacted("https://u:p@h:1/a?b#c"), "https://…@h:1/a");
        assert_eq!(redacted("u:p/q@h"), "…@h");
        assert_eq!(redacted("https://h#x"), "https://h");
        assert_eq!(redacted("plain"), "plain");
    }
}

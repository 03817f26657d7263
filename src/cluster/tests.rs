//! How tests connect to the test server. It is here because only this module can change the delays of retries.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::access::{Access, AccessOptions};
use super::backoff::Backoff;
use super::connect::connect_within;
use super::kubeconfig::Environment;
use crate::testing::http_server::TestServer;

impl TestServer {
    pub(super) async fn access(&self) -> Access {
        self.access_with(AccessOptions::default()).await
    }

    /// Access with these flags and minimal retry delays, to this server unless the flags name another one.
    pub(super) async fn access_with(&self, mut options: AccessOptions) -> Access {
        options.server.get_or_insert_with(|| self.url.clone());
        options.insecure_skip_tls_verify |= self.url.starts_with("https");
        let mut access = connect_within(&options, &Environment::default()).await.unwrap();
        access.backoff = quick();
        access
    }
}

/// A backoff with minimal delays.
pub(super) fn quick() -> Backoff {
    Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(1), tries: 3 }
}

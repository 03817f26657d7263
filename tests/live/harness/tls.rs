//! TLS for servers that the API server calls. They use its own certificate, which is valid for loopback.

use std::sync::Arc;

use libtest_mimic::Failed;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::harness::client::failed;
use crate::harness::control_plane::ControlPlane;

/// Accepts connections with the certificate of the API server.
pub(crate) fn acceptor(plane: &ControlPlane) -> Result<TlsAcceptor, Failed> {
    let file = |name: &str| plane.dir().join("certificates").join(name);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file("apiserver.crt"))
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let key = PrivateKeyDer::from_pem_file(file("apiserver.key")).map_err(failed)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(failed)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

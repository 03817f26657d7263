//! Messages about webhooks: those that denied the pod, and those that could not be called.
//!
//! Upstream: `apiserver/pkg/admission/plugin/webhook/errors/statuserror.go`, `.../webhook/mutating/dispatcher.go`
//! `callHook`, `apiserver/pkg/util/webhook/client.go`; for the reasons of a failed call Go's `net`, `crypto/tls` and
//! `crypto/x509`.

use super::text::{after, between};
use crate::admission::rejection::{AdmissionRejection, Service, WebhookFailure};

pub(super) fn read(core: &str) -> Option<AdmissionRejection> {
    if let Some((webhook, rest)) = between(core, "admission webhook \"", "\" denied the request") {
        let detail = rest.strip_prefix(": ").unwrap_or(rest.trim_start()).to_owned();
        return Some(AdmissionRejection::WebhookDenied { webhook: webhook.to_owned(), detail });
    }
    if let Some((plugin, _)) = between(core, "admission plugin \"", "\" failed to complete ") {
        return Some(AdmissionRejection::WebhooksTooSlow { plugin: plugin.to_owned(), detail: core.to_owned() });
    }
    if core.contains("jsonpatch ") && core.contains("operation does not apply") {
        return Some(AdmissionRejection::PatchNotApplicable { detail: core.to_owned() });
    }
    let (webhook, rest) = between(core, "failed calling webhook \"", "\"")?;
    let detail = rest.trim_start_matches([':', ';', ' ']).to_owned();
    Some(AdmissionRejection::WebhookFailed {
        webhook: webhook.to_owned(),
        service: service_of(&detail),
        failure: failure(&detail),
        detail,
    })
}

/// The service that was called, from `Post "https://NAME.NAMESPACE.svc:443/path?timeout=10s"`; servers before 1.20 do not
/// quote the address.
fn service_of(detail: &str) -> Option<Service> {
    let address = after(detail, "https://")?;
    let host = address.split(['/', ':', '"', '?']).next()?;
    let mut parts = host.split('.');
    let (name, namespace) = (parts.next()?, parts.next()?);
    (parts.next() == Some("svc")).then(|| Service { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// Why the call failed, by the words of the API server's HTTP client.
fn failure(detail: &str) -> WebhookFailure {
    // The first that matches decides, so that the words of the certificate come before those of the connection.
    const WORDS: [(&str, WebhookFailure); 17] = [
        ("x509: ", WebhookFailure::Certificate),
        ("tls: failed to verify certificate", WebhookFailure::Certificate),
        ("tls: bad certificate", WebhookFailure::Certificate),
        ("tls: expired certificate", WebhookFailure::Certificate),
        ("tls: unknown certificate", WebhookFailure::Certificate),
        ("No agent available", WebhookFailure::Tunnel),
        ("no agent available", WebhookFailure::Tunnel),
        ("no endpoints available", WebhookFailure::NoEndpoints),
        ("no service port ", WebhookFailure::NoService),
        ("could not find the requested resource", WebhookFailure::NotServed),
        ("connection refused", WebhookFailure::NoEndpoints),
        ("context deadline exceeded", WebhookFailure::Timeout),
        ("Client.Timeout exceeded", WebhookFailure::Timeout),
        ("i/o timeout", WebhookFailure::Timeout),
        ("TLS handshake timeout", WebhookFailure::Timeout),
        ("no route to host", WebhookFailure::Timeout),
        ("no such host", WebhookFailure::NoService),
    ];
    if detail.contains(": service \"") && detail.ends_with("\" not found") {
        return WebhookFailure::NoService;
    }
    let found = WORDS.into_iter().find(|(words, _)| detail.contains(words));
    found.map_or(WebhookFailure::Other, |(_, failure)| failure)
}

//! Sends one request with a time limit, and classifies its failure, because some failures can be retried.

use std::error::Error as StdError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http_body_util::BodyExt;
use kube::client::{AuthError, Body};
use serde::Deserialize;

use super::access::Access;
use super::backoff::Backoff;
use super::protobuf;
use super::server::redacted;
use crate::activity;
use crate::error::{Error, system_words};

/// The subject of a request, for error messages.
#[derive(Clone, Debug)]
pub(super) struct RequestInfo {
    /// `list`, `get`, `watch`.
    pub(super) verb: &'static str,
    /// The resource in the plural.
    pub(super) resource: String,
    /// `None` for the cluster scope.
    pub(super) namespace: Option<String>,
}

/// A failed request.
#[derive(Debug)]
pub(super) enum Failure {
    /// A retry cannot succeed.
    Final(Error),
    /// The server is overloaded. `after` is its Retry-After.
    Busy { error: Error, after: Option<Duration> },
    /// The connection failed or the response was truncated.
    Broken(Error),
    /// 410: the resourceVersion or continue token has expired.
    Gone(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    /// Classifies an error response by its HTTP status code. `after` is its Retry-After.
    pub(super) fn by_code(code: u16, error: Error, after: Option<Duration>) -> Self {
        match code {
            410 => Self::Gone(error),
            429 | 503 | 504 => Self::Busy { error, after },
            500..=599 if after.is_some() => Self::Busy { error, after },
            _ => Self::Final(error),
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Final(error) | Self::Broken(error) | Self::Gone(error) | Self::Busy { error, .. } => error,
        }
    }
}

/// The attempts of one operation.
#[derive(Debug)]
pub(super) struct Retries {
    backoff: Backoff,
    failures: u32,
}

/// The maximum length of a server's message, in characters.
const LONGEST_MESSAGE: usize = 4096;
/// A longer Retry-After is not waited for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(10);

impl Retries {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { backoff, failures: 0 }
    }

    /// Waits until the next attempt.
    ///
    /// # Errors
    /// The failure's own error, if it is final or no attempts are left.
    pub(super) async fn after(&mut self, failure: Failure) -> Result<(), Error> {
        match self.pause(&failure) {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            None => Err(self.counted(failure.into_error())),
        }
    }

    /// The delay before the next attempt; `None` if there is none.
    fn pause(&mut self, failure: &Failure) -> Option<Duration> {
        let asked = match failure {
            Failure::Final(_) | Failure::Gone(_) => return None,
            Failure::Busy { after, .. } => *after,
            Failure::Broken(_) => None,
        };
        self.failures += 1;
        if self.failures >= self.backoff.tries || asked.is_some_and(|asked| asked > LONGEST_RETRY_AFTER) {
            return None;
        }
        Some(asked.unwrap_or_else(|| self.backoff.wait(self.failures)))
    }

    /// Adds the number of attempts to the error.
    fn counted(&self, error: Error) -> Error {
        match error {
            Error::Unreachable { server, cause } if self.failures > 1 => {
                Error::Unreachable { server, cause: format!("{cause} ({} attempts)", self.failures) }
            }
            other => other,
        }
    }
}

impl Access {
    /// Sends the request and waits for the head of a successful response (2xx).
    pub(super) async fn send(
        &self,
        subject: &RequestInfo,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Body>, Failure> {
        let answer = self.client.send(request.map(Body::from)).await.map_err(|error| self.send_error(error))?;
        self.reached.store(true, Ordering::Relaxed);
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(self.rejected(subject, answer).await)
    }

    /// Applies `--request-timeout` to the work: to all pages of a list, to a request including its response body, and
    /// to all attempts together.
    pub(super) async fn in_time<T, E: From<Error>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let Some(limit) = self.request_timeout else {
            return work.await;
        };
        let mut work = std::pin::pin!(work);
        match tokio::time::timeout(limit, &mut work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.timed_out(limit).into()),
        }
    }

    /// The error for an expired `--request-timeout`. Call it before the work is dropped, which ends its activity.
    fn timed_out(&self, limit: Duration) -> Error {
        let seconds = limit.as_secs_f64();
        match activity::plugin_of(&self.user) {
            Some(name) => Error::Kubeconfig {
                message: format!(
                    "the credential plugin {name:?} of user {:?} did not respond within {seconds}s",
                    self.user
                ),
                hint: "raise --request-timeout (0: no timeout), or run the plugin manually to find the cause".into(),
            },
            None => Error::Timeout { server: self.server.clone(), seconds },
        }
    }

    /// Classifies a request without a response.
    fn send_error(&self, error: kube::Error) -> Failure {
        let error = match error {
            kube::Error::Service(inner) => match inner.downcast::<Error>() {
                Ok(own) => return Failure::Final(*own),
                Err(inner) => kube::Error::Service(inner),
            },
            other => other,
        };
        if let Some(auth) = causes(&error).find_map(|cause| cause.downcast_ref::<AuthError>()) {
            return Failure::Final(Error::Kubeconfig {
                message: format!("cannot use the credentials of user {:?}: {auth}", self.user),
                hint: "log in again or renew the token".into(),
            });
        }
        let no_connection = causes(&error).any(|cause| cause.to_string().starts_with("client error (Connect)"));
        let failure = self.unreachable(root_cause(&error));
        // A server that never responded is likely misconfigured; one that did may be restarting.
        if no_connection && !self.reached.load(Ordering::Relaxed) {
            return Failure::Final(failure);
        }
        Failure::Broken(failure)
    }

    /// The error for a truncated response body.
    pub(super) fn broke_off(&self, error: &kube::Error) -> Failure {
        Failure::Broken(self.unreachable(root_cause(error)))
    }

    /// [`Error::Unreachable`], naming the proxy.
    pub(super) fn unreachable(&self, mut cause: String) -> Error {
        if let Some(proxy) = &self.proxy {
            cause = format!("{cause} (through the proxy {proxy})");
        }
        Error::Unreachable { server: self.server.clone(), cause }
    }

    /// The error for a response that does not follow the Kubernetes API.
    pub(super) fn bad_answer(&self, subject: &RequestInfo, message: String) -> Failure {
        let RequestInfo { verb, resource, .. } = subject;
        let (server, resource) = (self.server.clone(), resource.clone());
        Failure::Final(Error::BadAnswer { server, verb, resource, message })
    }

    async fn rejected(&self, subject: &RequestInfo, answer: http::Response<Body>) -> Failure {
        let (head, body) = answer.into_parts();
        let code = head.status.as_u16();
        let header = |name| head.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let after = header(RETRY_AFTER).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let is_protobuf = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with(protobuf::CONTENT_TYPE));
        let reason = head.status.canonical_reason().unwrap_or("no reason given");
        if head.status.is_redirection() {
            let target = header(LOCATION)
                .map(|target| format!(" to {}", first_line(redacted(target).as_bytes()).unwrap_or_default()))
                .unwrap_or_default();
            return self.bad_answer(subject, format!("redirect{target}, which is not followed"));
        }
        let text = read_body_prefix(body).await;
        let message = error_message(&text, is_protobuf).unwrap_or_else(|| reason.to_owned());
        let error = self.rejection(subject, code, message);
        Failure::by_code(code, error, after)
    }

    /// The error for an error response, by its HTTP status code.
    pub(super) fn rejection(&self, subject: &RequestInfo, code: u16, mut message: String) -> Error {
        if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
            message.truncate(end);
        }
        let RequestInfo { verb, resource, namespace } = subject.clone();
        match code {
            401 => Error::Unauthorized { server: self.server.clone(), user: self.user.clone() },
            403 => {
                let scope = namespace.map(|namespace| format!(" in namespace {namespace:?}")).unwrap_or_default();
                Error::Forbidden { verb, resource, scope, message }
            }
            _ => Error::Api { verb, resource, message, code },
        }
    }
}

/// Reads the beginning of a response body; a truncated body is used as far as it was received.
pub(super) async fn read_body_prefix(mut body: Body) -> Vec<u8> {
    const ENOUGH: usize = 64 * 1024;
    let mut text = Vec::new();
    while text.len() < ENOUGH {
        match body.frame().await {
            Some(Ok(frame)) => text.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default()),
            Some(Err(_)) | None => break,
        }
    }
    text.truncate(ENOUGH);
    text
}

/// `metav1.Status`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    #[prost(string, tag = "3")]
    pub(super) message: String,
    #[prost(int32, tag = "6")]
    pub(super) code: i32,
}

/// The message of an error response: of a Status in either encoding, or its first line.
fn error_message(body: &[u8], is_protobuf: bool) -> Option<String> {
    let status = if is_protobuf { protobuf::single(body) } else { serde_json::from_slice::<Status>(body).ok() };
    match status {
        Some(status) => Some(status.message).filter(|message| !message.is_empty()),
        None if is_protobuf => None,
        None => first_line(body),
    }
}

/// The first line that is not blank, at most 200 characters.
pub(super) fn first_line(text: &[u8]) -> Option<String> {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let cut: String = line.chars().take(SHOWN).collect();
    Some(cut)
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (**error).source())
}

/// The innermost cause: `connection refused` explains more than `client error (Connect)`.
pub(super) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let cause = causes(error).last().unwrap_or(error);
    let words = cause.downcast_ref().map_or_else(|| cause.to_string(), system_words);
    first_line(words.as_bytes()).unwrap_or_else(|| "no reason given".into())
}

#[cfg(test)]
mod tests;

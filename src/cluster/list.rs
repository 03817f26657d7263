//! Complete lists: pods and nodes in protobuf, decoded from the stream; everything else in JSON.
//!
//! A list is complete or an error, never truncated.

pub(crate) mod metadata;
mod pages;
mod served;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::client::Body;
use serde::de::DeserializeOwned;

use self::pages::{MOST_ITEMS, PageCount};
use super::access::Access;
use super::api_kind::StreamedKind;
use super::json::{self, Tree};
use super::protobuf::{self, Broken, ListDecoder, ListMeta};
use super::query::{Query, Scope, escaped};
use super::request::{Failure, RequestInfo, Retries, first_line, read_body_prefix, root_cause};
use crate::activity::{Activity, begin};
use crate::error::Error;
use crate::snapshot::Known;

/// A complete list at one resourceVersion.
#[derive(Clone, Debug)]
pub(crate) struct Listed<T> {
    /// The items that were kept, in the server's order.
    pub(crate) items: Vec<T>,
    /// A watch continues from here.
    pub(crate) resource_version: String,
}

/// How often a list is restarted after a 410 on a continue token.
const RESTARTS: u32 = 2;
/// The maximum size of a single object, in bytes.
const LONGEST_OBJECT: usize = protobuf::LONGEST_ITEM as usize;

/// Decodes the frames of one response.
trait Reader<T> {
    fn push(&mut self, frame: &[u8], each: &mut dyn FnMut(T)) -> Result<(), Broken>;
    fn finish(self: Box<Self>) -> Result<ListMeta, Broken>;
}

impl<T: prost::Message + Default> Reader<T> for ListDecoder<T> {
    fn push(&mut self, frame: &[u8], each: &mut dyn FnMut(T)) -> Result<(), Broken> {
        Self::push(self, frame, each)
    }

    fn finish(self: Box<Self>) -> Result<ListMeta, Broken> {
        Self::finish(*self)
    }
}

impl<T: DeserializeOwned> Reader<T> for json::ListDecoder<T> {
    fn push(&mut self, frame: &[u8], each: &mut dyn FnMut(T)) -> Result<(), Broken> {
        Self::push(self, frame, each)
    }

    fn finish(self: Box<Self>) -> Result<ListMeta, Broken> {
        Self::finish(*self)
    }
}

/// The Accept header of an encoding, and the decoder for a response of a content type, if there is one.
struct Encoding<T> {
    accept: &'static str,
    open: fn(&str) -> Option<Box<dyn Reader<T> + Send>>,
}

impl<T: StreamedKind> Encoding<T> {
    /// Protobuf, or JSON if a server or a proxy supports nothing else.
    const BULK: Self = Self {
        accept: "application/vnd.kubernetes.protobuf, application/json",
        open: |content_type| match content_type {
            protobuf::CONTENT_TYPE => Some(Box::new(ListDecoder::new(T::LIST))),
            other => (Encoding::JSON.open)(other),
        },
    };
}

impl<T: DeserializeOwned + 'static> Encoding<T> {
    const JSON: Self = Self {
        accept: "application/json",
        open: |content_type| match content_type {
            "application/json" => Some(Box::new(json::ListDecoder::new())),
            _ => None,
        },
    };
}

/// What the server returned, or the reason why it is unknown if permissions are missing.
///
/// # Errors
/// Every other error.
pub(crate) fn known_if_permitted<T>(outcome: Result<T, Error>) -> Result<Known<T>, Error> {
    match outcome {
        Ok(value) => Ok(Known::Known(value)),
        Err(error @ Error::Forbidden { .. }) => Ok(Known::failed(error.to_string())),
        Err(error) => Err(error),
    }
}

impl Access {
    /// Lists pods or nodes. `keep` gets each object as soon as it is decoded; only what it returns stays in memory.
    /// After a retry it gets objects again, and what it returned before is dropped, so its result must depend on the
    /// object only.
    ///
    /// # Errors
    /// An error status, a timeout, a connection or response that fails three times, or a response that is not a list.
    pub(crate) async fn bulk<T: StreamedKind>(
        &self,
        scope: &Scope,
        label_selector: Option<&str>,
        mut keep: impl FnMut(T) -> Option<T>,
    ) -> Result<Listed<T>, Error> {
        let mut query = Query::new("list", T::GROUP_VERSION, T::PLURAL, scope);
        query.label_selector = label_selector.map(str::to_owned);
        self.gather(&query, &Encoding::BULK, &mut keep).await
    }

    /// As [`Access::bulk`], with a field selector.
    pub(crate) async fn bulk_by_field<T: StreamedKind>(
        &self,
        scope: &Scope,
        field_selector: &str,
        mut keep: impl FnMut(T) -> Option<T>,
    ) -> Result<Listed<T>, Error> {
        let mut query = Query::new("list", T::GROUP_VERSION, T::PLURAL, scope);
        query.field_selector = Some(field_selector.to_owned());
        self.gather(&query, &Encoding::BULK, &mut keep).await
    }

    /// Any one of the objects with these labels; `None` if there is none.
    pub(crate) async fn any<T: StreamedKind>(&self, scope: &Scope, label_selector: &str) -> Result<Option<T>, Error> {
        let mut query = Query::new("list", T::GROUP_VERSION, T::PLURAL, scope);
        query.label_selector = Some(label_selector.to_owned());
        query.limit = Some(1);
        Ok(self.gather(&query, &Encoding::BULK, &mut Some).await?.items.pop())
    }

    /// One pod or node by its name; `None` if it does not exist.
    pub(crate) async fn bulk_one<T: StreamedKind>(&self, scope: &Scope, name: &str) -> Result<Option<T>, Error> {
        let query = Query::new("get", T::GROUP_VERSION, T::PLURAL, scope);
        let path = format!("{}/{}", query.path, escaped(name));
        match self.object(&query.subject, &path).await {
            Err(Error::Api { code: 404, .. }) => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// Lists a kind of k8s-openapi, in JSON.
    pub(crate) async fn list<K: k8s_openapi::Resource + DeserializeOwned + 'static>(
        &self,
        scope: &Scope,
        label_selector: Option<&str>,
        field_selector: Option<&str>,
    ) -> Result<Listed<K>, Error> {
        let mut query = Query::new("list", K::API_VERSION, K::URL_PATH_SEGMENT, scope);
        query.label_selector = label_selector.map(str::to_owned);
        query.field_selector = field_selector.map(str::to_owned);
        self.list_by_query(&query).await
    }

    async fn list_by_query<K: DeserializeOwned + 'static>(&self, query: &Query) -> Result<Listed<K>, Error> {
        let Listed { items, resource_version } = self.gather(query, &Encoding::JSON, &mut Some).await?;
        Ok(Listed { items: items.into_iter().map(|Tree(item)| item).collect(), resource_version })
    }

    /// One object by its name; `None` if it does not exist.
    pub(crate) async fn get<K: k8s_openapi::Resource + DeserializeOwned>(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<Option<K>, Error> {
        let query = Query::new("get", K::API_VERSION, K::URL_PATH_SEGMENT, scope);
        let path = format!("{}/{}", query.path, escaped(name));
        match self.object(&query.subject, &path).await {
            Err(Error::Api { code: 404, .. }) => Ok(None),
            outcome => outcome.map(|Tree(object)| Some(object)),
        }
    }

    /// An object of a kind that k8s-openapi does not support, by its path.
    pub(crate) async fn get_at<K: DeserializeOwned>(&self, path: &str, plural: &str) -> Result<K, Error> {
        let subject = RequestInfo { verb: "get", resource: plural.into(), namespace: None };
        self.object(&subject, path).await
    }

    /// The server's version.
    pub(crate) async fn get_version(&self) -> Result<Info, Error> {
        let subject = RequestInfo { verb: "get", resource: "version".into(), namespace: None };
        self.object(&subject, "/version").await
    }

    async fn object<K: DeserializeOwned>(&self, subject: &RequestInfo, path: &str) -> Result<K, Error> {
        let _reading = begin(self.objects(subject));
        self.in_time(self.every_try_of_object(subject, path)).await
    }

    fn objects(&self, subject: &RequestInfo) -> Activity {
        Activity::Objects { resource: subject.resource.clone(), server: self.server.clone() }
    }

    async fn every_try_of_object<K: DeserializeOwned>(&self, subject: &RequestInfo, path: &str) -> Result<K, Error> {
        let mut retries = Retries::new(self.backoff);
        loop {
            match self.one_try_of_object(subject, path).await {
                Ok(object) => return Ok(object),
                Err(failure) => retries.after(failure).await?,
            }
        }
    }

    async fn one_try_of_object<K: DeserializeOwned>(&self, subject: &RequestInfo, path: &str) -> Result<K, Failure> {
        let request = http::Request::get(path).header(ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(|error| Failure::Final(self.unreachable(error.to_string())))?;
        let mut text = Vec::new();
        let answer = self.send(subject, request).await?;
        self.frames(answer.into_body(), |frame| {
            if text.len() + frame.len() > LONGEST_OBJECT {
                return Err(self.bad_answer(subject, format!("longer than {LONGEST_OBJECT} bytes")));
            }
            text.extend_from_slice(frame);
            Ok(())
        })
        .await?;
        serde_json::from_slice(&text).map_err(|error| self.bad_answer(subject, error.to_string()))
    }

    /// Reads all pages of a list. `--request-timeout` applies to all pages and attempts together.
    async fn gather<T>(
        &self,
        query: &Query,
        encoding: &Encoding<T>,
        keep: &mut dyn FnMut(T) -> Option<T>,
    ) -> Result<Listed<T>, Error> {
        let reading = begin(self.objects(&query.subject));
        let mut counted = |item| {
            reading.add_one();
            keep(item)
        };
        self.in_time(self.every_page(query, encoding, &mut counted)).await
    }

    /// A page that fails is requested again, and the items that it already returned are dropped.
    async fn every_page<T>(
        &self,
        query: &Query,
        encoding: &Encoding<T>,
        keep: &mut dyn FnMut(T) -> Option<T>,
    ) -> Result<Listed<T>, Error> {
        let mut items = Vec::new();
        let mut token = String::new();
        let mut restarts = 0;
        let mut retries = Retries::new(self.backoff);
        let mut pages = PageCount::default();
        loop {
            let page_start = items.len();
            let mut seen = 0;
            let mut take = |item| {
                seen += 1;
                items.extend(keep(item));
            };
            match self.page(query, &token, encoding, &mut take).await {
                Ok(meta) if meta.continue_.is_empty() || query.limit.is_some() => {
                    return Ok(Listed { items, resource_version: meta.resource_version });
                }
                // Prevents an endless loop.
                Ok(meta) if meta.continue_ == token => {
                    let message = "the continue token does not change".to_owned();
                    return Err(self.bad_answer(&query.subject, message).into_error());
                }
                Ok(meta) => {
                    if let Some(message) = pages.excess(seen) {
                        return Err(self.bad_answer(&query.subject, message).into_error());
                    }
                    token = meta.continue_;
                    retries = Retries::new(self.backoff);
                }
                // The resourceVersion of the pages has expired, so the list must start over.
                Err(Failure::Gone(_)) if !token.is_empty() && restarts < RESTARTS => {
                    restarts += 1;
                    items.clear();
                    token.clear();
                }
                Err(failure) => {
                    items.truncate(page_start);
                    retries.after(failure).await?;
                }
            }
        }
    }

    async fn page<T>(
        &self,
        query: &Query,
        token: &str,
        encoding: &Encoding<T>,
        each: &mut dyn FnMut(T),
    ) -> Result<ListMeta, Failure> {
        let mut request = query.list(token).map_err(|error| Failure::Final(self.unreachable(root_cause(&error))))?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(encoding.accept));
        let answer = self.send(&query.subject, request).await?;
        let content_type = content_type(&answer);
        let Some(mut reader) = (encoding.open)(&content_type) else {
            let line = first_line(&read_body_prefix(answer.into_body()).await).unwrap_or_default();
            return Err(self.bad_answer(&query.subject, format!("unexpected content type {content_type:?}: {line}")));
        };
        let undecoded = |broken: Broken| match broken {
            Broken::Truncated { .. } => Failure::Broken(self.unreachable(broken.to_string())),
            Broken::Malformed(message) => self.bad_answer(&query.subject, message),
        };
        let mut seen: u64 = 0;
        self.frames(answer.into_body(), |frame| {
            let mut counted = |item| {
                seen += 1;
                each(item);
            };
            reader.push(frame, &mut counted).map_err(undecoded)?;
            match seen > MOST_ITEMS {
                true => Err(self.bad_answer(&query.subject, format!("more than {MOST_ITEMS} items"))),
                false => Ok(()),
            }
        })
        .await?;
        reader.finish().map_err(undecoded)
    }

    /// Passes on the bytes of a body as they are received.
    pub(super) async fn frames(
        &self,
        mut body: Body,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.broke_off(&error))?;
            if let Some(bytes) = frame.data_ref() {
                take(bytes)?;
            }
        }
        Ok(())
    }
}

/// The content type, without its parameters.
fn content_type(answer: &http::Response<Body>) -> String {
    let value = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_lowercase()
}

#[cfg(test)]
mod tests;

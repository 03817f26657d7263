//! Reads the facts of `doctor`: one request after another, until one fails in such a way that the next cannot succeed.

use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;

use crate::cluster::access::{Access, AccessOptions};
use crate::cluster::connect::connect;
use crate::cluster::programs::is_on_path;
use crate::doctor::clock::{ClockSample, parse_http_date};
use crate::doctor::permissions::{Answers, Namespaces, RulesReview, decide, questions};
use crate::doctor::{Configuration, Facts, Failure, FailureKind, Programs, Server, Session};
use crate::error::Error;
use crate::program;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const METRICS: &str = "metrics.k8s.io";

/// Reads what can be read.
pub(crate) async fn facts(options: &AccessOptions, namespaces: Namespaces) -> Facts {
    let programs = programs();
    let access = match connect(options).await {
        Ok(access) => access,
        Err(error) => {
            return Facts { configuration: Err(failure(&error)), server: None, session: None, programs };
        }
    };
    let namespace = match namespaces {
        Namespaces::Selected => Some(access.namespace().to_owned()),
        Namespaces::All => None,
    };
    let configuration =
        Configuration { context: access.context().map(str::to_owned), server: access.server().to_owned(), namespace };
    let server = server(&access).await;
    let has_no_session = server.as_ref().is_err_and(|failure| failure.kind != FailureKind::Other);
    let session = if has_no_session { None } else { Some(session(&access, namespaces).await) };
    Facts { configuration: Ok(configuration), server: Some(server), session, programs }
}

fn failure(error: &Error) -> Failure {
    let kind = match error {
        Error::NoCluster
        | Error::Kubeconfig { .. }
        | Error::Usage { .. }
        | Error::Unreachable { .. }
        | Error::Timeout { .. } => FailureKind::Unreachable,
        Error::Unauthorized { .. } => FailureKind::Unauthorized,
        _ => FailureKind::Other,
    };
    Failure { message: error.to_string(), hint: error.hint(), kind }
}

async fn server(access: &Access) -> Result<Server, Failure> {
    let before = Timestamp::now();
    let response = access.version_and_date().await.map_err(|error| failure(&error))?;
    let after = Timestamp::now();
    let text = |field: &str| response.info[field].as_str().unwrap_or_default().to_owned();
    // A provider may write 36+ for the minor version.
    let number = |field: &str| text(field).trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().ok();
    Ok(Server {
        version: text("gitVersion"),
        minor: number("major").zip(number("minor")),
        clock: response.date.as_deref().and_then(parse_http_date).map(|server| ClockSample { server, before, after }),
    })
}

async fn session(access: &Access, namespaces: Namespaces) -> Session {
    let identity = access.review(AUTHENTICATION, "SelfSubjectReview", &json!({})).await;
    let user = match identity {
        Ok(status) => Ok(status["userInfo"]["username"].as_str().map(str::to_owned)),
        // Since Kubernetes 1.28.
        Err(Error::Api { code: 404, .. }) => Ok(None),
        Err(error) => Err(failure(&error)),
    };
    Session {
        user,
        answers: answers(access, namespaces).await,
        metrics: access.serves_group(METRICS).await.map_err(|error| failure(&error)),
    }
}

async fn answers(access: &Access, namespaces: Namespaces) -> Answers {
    let spec = json!({ "namespace": access.namespace() });
    let review = access.review(AUTHORIZATION, "SelfSubjectRulesReview", &spec).await.ok();
    let review: Option<RulesReview> = review.and_then(|status| serde_json::from_value(status).ok());
    let asked = questions(namespaces).into_iter().map(async |question| {
        let answer = match decide(review.as_ref(), question) {
            Some(answer) => Some(answer),
            None => {
                let namespace = (!question.in_cluster).then(|| access.namespace());
                access.may(question.permission, namespace).await
            }
        };
        (question, answer)
    });
    Answers { namespaces, allowed: join_all(asked).await.into_iter().collect() }
}

fn programs() -> Programs {
    let file = program::file();
    let completion = file.strip_prefix("kubectl-").map(|rest| is_on_path(&format!("kubectl_complete-{rest}")));
    Programs { completion, kubectl: is_on_path("kubectl"), plugin: is_on_path(file) }
}

//! `kubectl ds version`.

pub(crate) mod args;

use std::io::Write;
use std::process::ExitCode;

use k8s_openapi::apimachinery::pkg::version::Info;
use serde::Serialize;

use super::print;
use crate::cluster::connect::connect;
use crate::command::args::{Global, OutputFormat};
use crate::command::version::args::VersionArgs;
use crate::error::Error;
use crate::render::ListLength;
use crate::render::document::{DocumentOptions, Sequence};
use crate::render::structured;
use crate::render::text::{bounded, sanitize};

/// `kind: Version`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Versions {
    api_version: &'static str,
    kind: &'static str,
    client_version: ClientVersion,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    server_version: Option<Info>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct ClientVersion {
    git_version: String,
    platform: String,
}

/// Runs `version`.
pub(crate) async fn run(args: VersionArgs, global: Global) -> Result<ExitCode, Error> {
    if !global.from.is_empty() && !args.client {
        return Err(Error::Usage {
            message: "a saved cluster has no server version".into(),
            hint: "pass --client to show the client version only".into(),
        });
    }
    let client_version = format!("v{}", env!("CARGO_PKG_VERSION"));
    if args.output.is_none() {
        // Printed first, so that it appears even if the server is unreachable.
        print(|out| writeln!(out, "Client Version: {client_version}"))?;
    }
    let server_version = match args.client {
        true => None,
        false => Some(connect(&global.access()).await?.get_version().await?),
    };
    let versions = Versions {
        api_version: structured::API_VERSION,
        kind: "Version",
        client_version: ClientVersion {
            git_version: client_version,
            platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        },
        server_version,
    };
    print(|out| match args.output.as_ref().and_then(OutputFormat::document) {
        Some(format) => format.write(out, &versions, DocumentOptions::new(Sequence::First)),
        None => match &versions.server_version {
            Some(server) => {
                writeln!(out, "Server Version: {}", bounded(&sanitize(&server.git_version), ListLength::Handful))
            }
            None => Ok(()),
        },
    })?;
    Ok(ExitCode::SUCCESS)
}

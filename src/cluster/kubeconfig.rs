//! Selects one cluster, one user and one namespace from the kubeconfig files and kubectl's flags.
//!
//! kube 5.0.0 also reads kubeconfigs, but rejects a `KUBECONFIG` that names a missing file, treats an unknown user as
//! anonymous, and treats an empty entry as a value. The rules here are client-go's (`tools/clientcmd`: `loader.go`,
//! `client_config.go`); kube only parses each file.

mod read;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, Cluster, Context, Kubeconfig};

pub(super) use self::read::non_empty;
use self::read::{broken, read};
use super::access::AccessOptions;
use super::credentials::policy::KubercSource;
use super::proxy::ProxyVariables;
use super::server::Server;
use crate::error::Error;

/// The environment of the process. A value, so that tests need not modify the process.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    /// `KUBECONFIG`.
    pub(super) kubeconfig: Option<OsString>,
    /// The home directory, which contains `.kube/config`.
    pub(super) home: Option<PathBuf>,
    /// The proxy variables.
    pub(super) proxy: ProxyVariables,
    /// Whether the process runs in a pod with a service account.
    pub(super) in_cluster: bool,
    /// `PATH`, for finding credential plugins.
    pub(super) path: Option<OsString>,
    /// The location of the kuberc file.
    pub(super) kuberc: KubercSource,
}

impl Environment {
    /// Reads the environment of this process.
    pub(super) fn read() -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            kubeconfig: env::var_os("KUBECONFIG"),
            home: env::home_dir(),
            proxy: ProxyVariables::read(),
            // `inClusterClientConfig.Possible` of client-go.
            in_cluster: set("KUBERNETES_SERVICE_HOST")
                && set("KUBERNETES_SERVICE_PORT")
                && Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token").is_file(),
            path: env::var_os("PATH"),
            kuberc: KubercSource {
                variable: env::var_os("KUBERC"),
                // `FeatureGate.IsDisabled` of kubectl.
                disabled: env::var_os("KUBECTL_KUBERC").is_some_and(|value| value.eq_ignore_ascii_case("false")),
                home: env::home_dir(),
            },
        }
    }
}

/// The selected entries, with the flags applied. No value is an empty string.
#[derive(Debug)]
pub(super) struct ResolvedContext {
    /// The context's name; `None` if only the flags name the server.
    pub(super) context: Option<String>,
    /// The cluster entry. Its `server` is set.
    pub(super) cluster: Cluster,
    /// The parsed server URL.
    pub(super) server: Server,
    /// The user entry's name.
    pub(super) user_name: Option<String>,
    pub(super) user: AuthInfo,
    /// The namespace of the flags, the context's, or `default`.
    pub(super) namespace: String,
}

/// Selects the entries. `None` if no cluster is configured.
///
/// # Errors
/// A file is invalid, an entry does not exist, or flags cannot be combined.
pub(super) fn resolve(options: &AccessOptions, environment: &Environment) -> Result<Option<ResolvedContext>, Error> {
    let files = load(options.kubeconfig.as_deref(), environment)?;
    let context_name = non_empty(&options.context).or_else(|| non_empty(&files.current_context));
    let context = match &context_name {
        Some(name) => find_context(&files, name)?,
        None => Context::default(),
    };
    let Some(mut cluster) = find_cluster(&files, options, &context)? else {
        return nothing_chosen(&files);
    };
    override_cluster(&mut cluster, options);
    let cluster_name = non_empty(&options.cluster).or_else(|| non_empty(&Some(context.cluster.clone())));
    if non_empty(&cluster.server).is_none() {
        return Err(Error::Kubeconfig {
            message: format!("cluster {:?} has no server", cluster_name.unwrap_or_default()),
            hint: "add server: to the cluster entry, or pass --server".into(),
        });
    }
    let server = Server::parse(cluster.server.as_deref().unwrap_or_default())?;
    let (user_name, mut user) = find_user(&files, options, &context, server.has_tls())?;
    override_user(&mut user, options);
    Ok(Some(ResolvedContext {
        context: context_name,
        cluster,
        server,
        user_name,
        user,
        namespace: non_empty(&options.namespace)
            .or_else(|| non_empty(&context.namespace))
            .unwrap_or_else(|| "default".into()),
    }))
}

/// The names of the entries of the kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EntryNames {
    /// `contexts[]`.
    pub(crate) contexts: Vec<String>,
    /// `clusters[]`.
    pub(crate) clusters: Vec<String>,
    /// `users[]`.
    pub(crate) users: Vec<String>,
}

/// Reads the names of the entries.
///
/// # Errors
/// A file is invalid.
pub(super) fn entry_names(explicit: Option<&Path>, environment: &Environment) -> Result<EntryNames, Error> {
    let Kubeconfig { contexts, clusters, auth_infos, .. } = load(explicit, environment)?;
    Ok(EntryNames {
        contexts: contexts.into_iter().map(|context| context.name).collect(),
        clusters: clusters.into_iter().map(|cluster| cluster.name).collect(),
        users: auth_infos.into_iter().map(|user| user.name).collect(),
    })
}

/// The result without a context and `--server`. A kubeconfig without entries counts as none.
fn nothing_chosen(files: &Kubeconfig) -> Result<Option<ResolvedContext>, Error> {
    if files.contexts.is_empty() && files.clusters.is_empty() {
        return Ok(None);
    }
    Err(Error::Kubeconfig {
        message: "current-context is not set".into(),
        hint: format!(
            "pass --context NAME, or run kubectl config use-context NAME{}",
            listed(&names(&files.contexts, |context| &context.name))
        ),
    })
}

/// Reads and merges the files: the first value of a field or entry wins.
fn load(explicit: Option<&Path>, environment: &Environment) -> Result<Kubeconfig, Error> {
    if let Some(path) = explicit.filter(|path| !path.as_os_str().is_empty()) {
        return read(path)?.ok_or_else(|| Error::Kubeconfig {
            message: format!("{}: no such file", path.display()),
            hint: "pass an existing file to --kubeconfig".into(),
        });
    }
    let paths: Vec<PathBuf> = match environment.kubeconfig.as_ref().filter(|list| !list.is_empty()) {
        Some(list) => env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => environment.home.iter().map(|home| home.join(".kube").join("config")).collect(),
    };
    let mut merged = Kubeconfig::default();
    for path in paths {
        if let Some(next) = read(&path)? {
            merged = merged.merge(next).map_err(|error| broken(&path, &error))?;
        }
    }
    Ok(merged)
}

fn find_context(files: &Kubeconfig, name: &str) -> Result<Context, Error> {
    match files.contexts.iter().find(|context| context.name == name) {
        Some(found) => Ok(found.context.clone().unwrap_or_default()),
        None => Err(unknown(
            "context",
            name,
            &names(&files.contexts, |context| &context.name),
            "list the contexts: kubectl config get-contexts",
        )),
    }
}

/// The selected cluster entry; `None` if no cluster is configured. `--server` replaces a missing entry that the context
/// names, but not one that `--cluster` names.
fn find_cluster(files: &Kubeconfig, options: &AccessOptions, context: &Context) -> Result<Option<Cluster>, Error> {
    let flag = non_empty(&options.cluster);
    let has_server = non_empty(&options.server).is_some();
    let Some(name) = flag.clone().or_else(|| non_empty(&Some(context.cluster.clone()))) else {
        return Ok(has_server.then(Cluster::default));
    };
    match files.clusters.iter().find(|cluster| cluster.name == name) {
        Some(found) => Ok(Some(found.cluster.clone().unwrap_or_default())),
        None if flag.is_none() && has_server => Ok(Some(Cluster::default())),
        None => Err(unknown(
            "cluster",
            &name,
            &names(&files.clusters, |cluster| &cluster.name),
            "list the clusters: kubectl config get-clusters",
        )),
    }
}

/// The selected user entry and its name. If the context's user is missing, kubectl prompts for a name and a password;
/// here that is an error, unless `--token` is given, or no credentials are sent because there is no TLS.
fn find_user(
    files: &Kubeconfig,
    options: &AccessOptions,
    context: &Context,
    has_tls: bool,
) -> Result<(Option<String>, AuthInfo), Error> {
    let flag = non_empty(&options.user);
    let Some(name) = flag.clone().or_else(|| non_empty(&context.user)) else {
        return Ok((None, AuthInfo::default()));
    };
    match files.auth_infos.iter().find(|user| user.name == name) {
        Some(found) => Ok((Some(name), found.auth_info.clone().unwrap_or_default())),
        None if flag.is_none() && (non_empty(&options.token).is_some() || !has_tls) => Ok((None, AuthInfo::default())),
        None => Err(unknown(
            "user",
            &name,
            &names(&files.auth_infos, |user| &user.name),
            "list the users: kubectl config get-users",
        )),
    }
}

/// Applies the flags to a cluster entry: `DirectClientConfig.getCluster` of client-go.
fn override_cluster(cluster: &mut Cluster, options: &AccessOptions) {
    let server = non_empty(&options.server);
    let server_name = non_empty(&options.tls_server_name);
    if server.is_some() || server_name.is_some() {
        // The entry's TLS server name does not apply to another server.
        cluster.tls_server_name = server_name;
    }
    if server.is_some() {
        cluster.server = server;
    }
    if options.insecure_skip_tls_verify || options.certificate_authority.is_some() {
        cluster.insecure_skip_tls_verify = Some(options.insecure_skip_tls_verify);
        cluster.certificate_authority_data = None;
        cluster.certificate_authority =
            options.certificate_authority.as_ref().map(|path| path.to_string_lossy().into_owned());
    }
}

/// Applies the flags to a user entry: `DirectClientConfig.getAuthInfo` of client-go. The token replaces the entry's
/// token and its credential plugin, but a token file of the entry takes precedence, as in kubectl.
pub(super) fn override_user(user: &mut AuthInfo, options: &AccessOptions) {
    if let Some(token) = non_empty(&options.token) {
        user.token = Some(token.into());
    }
    if let Some(name) = non_empty(&options.as_user) {
        user.impersonate = Some(name);
    }
    if let Some(uid) = non_empty(&options.as_uid) {
        user.impersonate_uid = Some(uid);
    }
    if !options.as_group.is_empty() {
        user.impersonate_groups = Some(options.as_group.clone());
    }
}

fn names<T>(entries: &[T], name: fn(&T) -> &String) -> Vec<&str> {
    entries.iter().map(|entry| name(entry).as_str()).collect()
}

/// `; available: a, b`, or nothing.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return String::new();
    }
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("; available: {}{more}", names[..names.len().min(SHOWN)].join(", "))
}

fn unknown(kind: &str, name: &str, names: &[&str], otherwise: &str) -> Error {
    let nearest = names
        .iter()
        .map(|known| (distance(name, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= name.chars().count().max(3) / 3 + 1);
    let hint = match nearest {
        Some((_, known)) => format!("did you mean {known:?}?"),
        None => otherwise.to_owned(),
    };
    Error::Kubeconfig { message: format!("{kind} {name:?} not found"), hint: format!("{hint}{}", listed(names)) }
}

/// The Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests;

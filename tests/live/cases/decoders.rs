//! Protobuf and JSON say the same: the program's output may not depend on which of them it got.

use std::process::Output;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, wait_until};
use crate::cases::status_counts::REST;
use crate::harness::control_plane::ControlPlane;
use crate::harness::json_proxy::JsonProxy;
use crate::harness::quiescence::rest;
use crate::harness::random_cluster::World;

/// The seed of the world that is read in both ways.
const SEED: u64 = 11;

/// The proxy alone: the API server's objects come through it as they are.
pub(crate) fn proxy_passes_on(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        World::create(plane, SEED).await?;
        rest(plane, REST).await?;
        let proxy = JsonProxy::start(config(plane).await?)?;
        let client = Client::try_from(Config::new(proxy.url().parse().map_err(failed)?)).map_err(failed)?;
        let all = Api::<Pod>::all(client);
        // A failed pod may go and come between the two lists: they need not be alike the first time, but they must be.
        wait_until("both lists are alike", async || {
            let through = all.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items;
            let direct: Vec<Pod> = plane.list().await.map_err(|_| "no direct list".to_owned())?;
            let sorted = |mut pods: Vec<Pod>| {
                pods.sort_by_key(ResourceExt::uid);
                pods
            };
            let (through, direct) = (sorted(through), sorted(direct));
            match through == direct && direct.len() > 100 {
                true => Ok(()),
                false => Err(format!("{} pods directly, {} through the proxy", direct.len(), through.len())),
            }
        })
        .await?;
        let seen = proxy.seen();
        ensure(seen.iter().all(|one| one.content_type == "application/json"), || format!("{seen:?}"))
    })
}

/// `coverage -A -o json` directly and through it.
pub(crate) fn coverage_is_the_same(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let mut world = World::create(plane, SEED).await?;
        rest(plane, REST).await?;
        world.mutate(plane).await?;
        rest(plane, REST).await?;
        let proxy = JsonProxy::start(config(plane).await?)?;
        let kubeconfig = plane.dir().join("kubeconfig-of-the-proxy");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: proxy\nclusters:\n- name: proxy\n  cluster: {{server: \"{}\"}}\n\
             contexts:\n- name: proxy\n  context: {{cluster: proxy, user: \"\"}}\n",
            proxy.url()
        );
        std::fs::write(&kubeconfig, text)?;
        let arguments = ["coverage", "-A", "-o", "json"];
        // A failed pod may go, and come again as it was, between two looks: the reports need not be alike the first
        // time, but they must be. What a decoder reads wrongly differs every time.
        let mut last = String::new();
        for _ in 0..10 {
            let direct = timeless(&plane.ds(&arguments))?;
            let through = timeless(&plane.ds_with(&kubeconfig, &arguments))?;
            let sets = direct["daemonSets"].as_array().map_or(0, Vec::len);
            ensure(sets > 10, || format!("only {sets} DaemonSets: {direct:.300}"))?;
            if direct == through {
                let seen = proxy.seen();
                let asks = seen.iter().any(|one| one.path.contains("/pods") && one.accept.contains("protobuf"));
                ensure(asks, || format!("the program never asked for protobuf: this shows nothing: {seen:?}"))?;
                let wrong = seen.iter().find(|one| one.content_type.contains("protobuf"));
                return ensure(wrong.is_none(), || format!("{wrong:?} is not JSON"));
            }
            last = first_difference("", &direct, &through).unwrap_or_default();
        }
        Err(failed(format!("never alike, the last time because of {last}")))
    })
}

/// Where two reports differ first: the path, what stands there directly, and what does through JSON.
fn first_difference(path: &str, direct: &Value, through: &Value) -> Option<String> {
    match (direct, through) {
        _ if direct == through => None,
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.keys().find_map(|key| first_difference(&format!("{path}.{key}"), &a[key], &b[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(index, (a, b))| first_difference(&format!("{path}[{index}]"), a, b))
        }
        _ => Some(format!("{path}: {direct:.200} directly, {through:.200} through JSON")),
    }
}

/// The report without the time at which it was made, and without the sentences, which count seconds: what they are made
/// of stands beside them.
fn timeless(output: &Output) -> Result<Value, Failed> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("asOf");
                fields.remove("message");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut report = json_of(output)?;
    strip(&mut report);
    Ok(report)
}

async fn config(plane: &ControlPlane) -> Result<Config, Failed> {
    let config = Kubeconfig::read_from(plane.kubeconfig()).map_err(failed)?;
    Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.map_err(failed)
}

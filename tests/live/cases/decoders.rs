//! The program's output must be the same from protobuf and from JSON.

use std::process::Output;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Ctx;
use crate::cases::status_counts::QUIESCENCE_TIMEOUT;
use crate::harness::client::{ensure, failed, json_of, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::json_proxy::JsonProxy;
use crate::harness::quiescence::wait_until_quiescent;
use crate::harness::random_cluster::RandomCluster;
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![json_proxy_keeps_objects, coverage_is_equal_from_protobuf_and_json];

/// The seed of the cluster that is read in both formats.
const SEED: u64 = 11;

/// The proxy itself does not change objects.
fn json_proxy_keeps_objects(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        RandomCluster::create(plane, SEED).await?;
        wait_until_quiescent(plane, QUIESCENCE_TIMEOUT).await?;
        let proxy = JsonProxy::start(config(plane).await?)?;
        let client = Client::try_from(Config::new(proxy.url().parse().map_err(failed)?)).map_err(failed)?;
        let all = Api::<Pod>::all(client);
        // A failed pod can be deleted and recreated between the two lists, so the first pair may differ.
        wait_until("both lists are equal", async || {
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
        let requests = proxy.requests();
        let is_json = requests.iter().all(|request| request.content_type == "application/json");
        ensure(is_json, || format!("{requests:?}"))
    })
}

/// `coverage -A -o json` is the same directly and through the proxy.
fn coverage_is_equal_from_protobuf_and_json(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let mut cluster = RandomCluster::create(plane, SEED).await?;
        wait_until_quiescent(plane, QUIESCENCE_TIMEOUT).await?;
        cluster.mutate(plane).await?;
        wait_until_quiescent(plane, QUIESCENCE_TIMEOUT).await?;
        let proxy = JsonProxy::start(config(plane).await?)?;
        let kubeconfig = plane.dir().join("kubeconfig-of-the-proxy");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n\
             clusters:\n- name: proxy\n  cluster: {{server: \"{}\"}}\n\
             contexts:\n- name: proxy\n  context: {{cluster: proxy, user: \"\"}}\n",
            proxy.url()
        );
        std::fs::write(&kubeconfig, text)?;
        let arguments = ["coverage", "-A", "-o", "json"];
        // A failed pod can be deleted and recreated between the two reports, so the first pairs may differ. What a
        // decoder reads wrongly differs every time.
        let mut last = String::new();
        for _ in 0..10 {
            let direct = without_times(&plane.ds(&arguments))?;
            let through = without_times(&plane.ds_with(&kubeconfig, &arguments))?;
            let sets = direct["daemonSets"].as_array().map_or(0, Vec::len);
            ensure(sets > 10, || format!("only {sets} DaemonSets: {direct:.300}"))?;
            if direct == through {
                let requests = proxy.requests();
                let accepts = requests.iter().any(|one| one.path.contains("/pods") && one.accept.contains("protobuf"));
                ensure(accepts, || format!("the program does not accept protobuf for pods: {requests:?}"))?;
                let wrong = requests.iter().find(|one| one.content_type.contains("protobuf"));
                return ensure(wrong.is_none(), || format!("{wrong:?} is not JSON"));
            }
            last = first_difference("", &direct, &through).unwrap_or_default();
        }
        Err(failed(format!("never equal; the last difference is {last}")))
    })
}

/// The first difference of two reports: its path and both values.
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

/// The report without its time, and without the messages, which contain ages.
fn without_times(output: &Output) -> Result<Value, Failed> {
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

//! `deploy/kubernetes`: the parts fit each other and the configurations that they mount. The schemas are checked by
//! `make check-kubernetes`, the scripts are played by `make try-kubernetes`.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rolecall::config::model::{Bind, Config};
use rolecall::config::parse;
use serde_json::Value;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/kubernetes")
        .join(path)
}

fn text_of(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str, text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The objects of a file.
fn objects(path: &str) -> Vec<Value> {
    let text = text_of(path);
    text.split("\n---\n").map(|part| yaml(path, part)).collect()
}

fn object(path: &str, kind: &str) -> Value {
    let mut all = objects(path).into_iter();
    all.find(|object| object["kind"] == kind)
        .unwrap_or_else(|| panic!("{path} has no {kind}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A configuration as the pod reads it; the secret is a file there.
fn config(path: &str) -> Config {
    let secret = |file: &Path| {
        assert_eq!(file, Path::new("/etc/rolecall-secret/password"));
        Ok("secret".to_owned())
    };
    parse(&text_of(path), path, &|_| None, &secret).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Each rolecall that is deployed: its configuration, its pod and its container.
fn deployed() -> Vec<(&'static str, Config, Value, Value)> {
    [
        ("proxy", "proxy.yaml", "containers"),
        ("sidecar", "application.yaml", "initContainers"),
    ]
    .map(|(part, file, containers)| {
        let pod = object(&format!("{part}/{file}"), "Deployment")["spec"]["template"].clone();
        let all = list(&pod["spec"][containers]).iter();
        let mut ours = all.filter(|container| container["name"] == "rolecall");
        let container = ours.next().expect("a container named rolecall").clone();
        let config = config(&format!("{part}/rolecall.yaml"));
        (part, config, pod, container)
    })
    .into()
}

fn ports(config: &Config) -> Vec<SocketAddr> {
    let binds = config.listeners.iter().flat_map(|listener| &listener.binds);
    binds
        .map(|bind| match bind {
            Bind::Tcp(address) => *address,
            Bind::Unix(path) => panic!("{}", path.display()),
        })
        .collect()
}

#[test]
fn kustomize_finds_every_file() {
    let mut folders = vec![String::new()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let path = format!("{folder}kustomization.yaml");
        let kustomization = yaml(&path, &text_of(&path));
        for name in list(&kustomization["resources"]) {
            let name = name.as_str().expect("a name");
            let full = format!("{folder}{name}");
            if at(&full).is_dir() {
                folders.push(format!("{full}/"));
            } else {
                assert!(at(&full).is_file(), "{path}: no {name}");
                seen += 1;
            }
        }
        for map in list(&kustomization["configMapGenerator"]) {
            for name in list(&map["files"]) {
                let full = format!("{folder}{}", name.as_str().expect("a name"));
                assert!(at(&full).is_file(), "{path}: no {name}");
            }
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn probes_ask_the_admin_port_alone() {
    for (part, config, _, container) in deployed() {
        let admin = config.admin.http.expect("admin.http");
        assert!(
            admin.ip().is_unspecified(),
            "{part}: the kubelet comes from outside"
        );
        let named = list(&container["ports"]).iter();
        let mut named = named.filter(|port| port["name"] == "admin");
        let port = named.next().expect("a port named admin");
        assert_eq!(port["containerPort"], admin.port(), "{part}");
        for (probe, path) in [
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
            ("startupProbe", "/readyz"),
        ] {
            let probe = &container[probe];
            if probe.is_null() {
                continue;
            }
            assert_eq!(probe["httpGet"]["port"], "admin", "{part}");
            assert_eq!(probe["httpGet"]["path"], path, "{part}");
        }
        assert!(!container["livenessProbe"].is_null(), "{part}");
        let waits = if part == "proxy" {
            "readinessProbe"
        } else {
            "startupProbe"
        };
        assert!(!container[waits].is_null(), "{part}");
    }
}

#[test]
fn the_service_leads_to_the_listeners() {
    let (_, config, _, container) = deployed().swap_remove(0);
    let service = object("proxy/proxy.yaml", "Service");
    let listeners = ports(&config);
    let services = list(&service["spec"]["ports"]);
    assert_eq!(services.len(), listeners.len());
    for port in services {
        let mut named = list(&container["ports"]).iter();
        let target = named
            .find(|named| named["name"] == port["targetPort"])
            .expect("the port of the container");
        let number = target["containerPort"].as_u64().expect("a number");
        let bound = listeners
            .iter()
            .find(|bind| u64::from(bind.port()) == number);
        assert!(
            bound.is_some_and(|bind| bind.ip().is_unspecified()),
            "{port}"
        );
        let wanted = port["name"].as_str();
        let listener = config.listeners.iter().find(|listener| {
            let binds = listener.binds.iter();
            binds
                .into_iter()
                .any(|bind| matches!(bind, Bind::Tcp(at) if u64::from(at.port()) == number))
        });
        assert_eq!(listener.map(|listener| listener.access.label()), wanted);
    }
    // Beside an application, nobody else reaches them.
    let (_, config, _, container) = deployed().swap_remove(1);
    assert!(ports(&config).iter().all(|bind| bind.ip().is_loopback()));
    assert_eq!(
        container["restartPolicy"], "Always",
        "else it is no sidecar"
    );
}

#[test]
fn a_pod_has_time_to_drain() {
    for (part, config, pod, container) in deployed() {
        let total = pod["spec"]["terminationGracePeriodSeconds"]
            .as_u64()
            .expect("seconds");
        let before = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
        let needed = before.unwrap_or(0) + config.grace.as_secs();
        assert!(total > needed + 5, "{part}: {total} s for {needed} s");
    }
}

#[test]
fn a_config_map_that_changes_reaches_the_proxy() {
    for (part, _, pod, container) in deployed() {
        let args: Vec<_> = list(&container["args"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(
            args,
            ["run", "-c", "/etc/rolecall/rolecall.yaml", "--watch"],
            "{part}"
        );
        let mounts = list(&container["volumeMounts"]);
        let mount = |path: &str| {
            let found = mounts.iter().find(|mount| mount["mountPath"] == path);
            found
                .unwrap_or_else(|| panic!("{part}: nothing at {path}"))
                .clone()
        };
        assert!(
            mounts.iter().all(|mount| mount["subPath"].is_null()),
            "{part}: never updated"
        );
        let name = mount("/etc/rolecall")["name"].clone();
        let volumes = list(&pod["spec"]["volumes"]);
        let volume = volumes.iter().find(|volume| volume["name"] == name);
        let map = volume.expect("the volume")["configMap"]["name"].clone();
        let kustomization = format!("{part}/kustomization.yaml");
        let kustomization = yaml(&kustomization, &text_of(&kustomization));
        let generated = &kustomization["configMapGenerator"][0];
        assert_eq!(generated["name"], map, "{part}");
        assert_eq!(
            generated["options"]["disableNameSuffixHash"], true,
            "{part}"
        );
        // What is below a ConfigMap's mount cannot be mounted: it is read only.
        assert!(
            mounts.iter().all(|mount| {
                let path = mount["mountPath"].as_str().unwrap_or_default();
                !path.starts_with("/etc/rolecall/")
            }),
            "{part}"
        );
        mount("/etc/rolecall-secret");
        mount("/run/rolecall");
    }
}

#[test]
fn every_container_is_hardened() {
    for (file, kind) in [
        ("redis/redis.yaml", "StatefulSet"),
        ("proxy/proxy.yaml", "Deployment"),
        ("sidecar/application.yaml", "Deployment"),
    ] {
        let pod = &object(file, kind)["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{file}");
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
            "{file}"
        );
        assert_eq!(pod["automountServiceAccountToken"], false, "{file}");
        let containers = list(&pod["containers"]).iter();
        for container in containers.chain(list(&pod["initContainers"])) {
            let what = format!("{file}: {}", container["name"]);
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{what}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{what}");
            assert_eq!(security["capabilities"]["drop"][0], "ALL", "{what}");
            assert!(
                container["resources"]["requests"]["memory"].is_string(),
                "{what}"
            );
            assert!(
                container["resources"]["limits"]["memory"].is_string(),
                "{what}"
            );
        }
        object(file, "PodDisruptionBudget");
    }
}

#[test]
fn names_are_those_of_the_pods() {
    let set = object("redis/redis.yaml", "StatefulSet");
    let service = set["spec"]["serviceName"]
        .as_str()
        .expect("a name")
        .to_owned();
    let count = set["spec"]["replicas"].as_u64().expect("a number");
    let names: Vec<String> = (0..count).map(|n| format!("redis-{n}.{service}")).collect();
    for (part, config, _, _) in deployed() {
        let group = &config.groups[0];
        let nodes: Vec<String> = group
            .nodes
            .iter()
            .map(|node| node.address.to_string())
            .collect();
        let redis: Vec<String> = names.iter().map(|name| format!("{name}:6379")).collect();
        assert_eq!(nodes, redis, "{part}");
        let sentinel = group.sentinel.as_ref().expect("sentinel");
        let sentinels: Vec<String> = sentinel.addresses.iter().map(ToString::to_string).collect();
        let expected: Vec<String> = names.iter().map(|name| format!("{name}:26379")).collect();
        assert_eq!(sentinels, expected, "{part}");
        let script = text_of("redis/common.sh");
        assert!(
            script.contains(&format!("MASTER={}", sentinel.name)),
            "{part}"
        );
    }
}

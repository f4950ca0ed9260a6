//! What is shipped beside the binary fits it, and each other: the unit, the package, the image, the compose file.
//!
//! Only what can be told by reading. `make deb-check` and `make image-check` build them and run them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rolecall::config::load;
use rolecall::config::model::{Address, Bind, Config};
use serde_json::Value;

const CONFIGURATION: &str = "/etc/rolecall/rolecall.yaml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn text_of(path: &str) -> String {
    let read = fs::read_to_string(root().join(path));
    read.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The values of a key in a unit.
fn values<'t>(unit: &'t str, key: &str) -> Vec<&'t str> {
    let with = |line: &'t str| line.strip_prefix(key)?.strip_prefix('=');
    unit.lines().filter_map(with).collect()
}

/// What the package installs: source and destination.
fn assets() -> Vec<(String, String)> {
    let manifest = text_of("Cargo.toml");
    let (_, list) = manifest.split_once("\nassets = [").expect("the assets");
    let (list, _) = list.split_once("\n]").expect("their end");
    let asset = |line: &str| {
        let mut words = line.split('"').skip(1).step_by(2);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let lines = list.lines().filter(|line| line.trim().starts_with('['));
    lines.filter_map(asset).collect()
}

fn destination_of(source: &str) -> String {
    let assets = assets();
    let found = assets.iter().find(|(from, _)| from == source);
    let (_, to) = found.unwrap_or_else(|| panic!("the package lacks {source}"));
    if to.ends_with('/') {
        let name = Path::new(source).file_name().expect("a file");
        return format!("/{to}{}", name.to_str().expect("UTF-8"));
    }
    format!("/{to}")
}

/// The command line takes these words.
fn understood(words: &[&str]) {
    if let Err(error) = rolecall::cli::command().try_get_matches_from(words) {
        panic!("{words:?}: {error}");
    }
}

#[test]
fn the_unit_runs_what_the_package_installs() {
    let unit = text_of("deploy/rolecall.service");
    let binary = destination_of("target/release/rolecall");
    let mut ours = 0;
    for key in ["ExecStartPre", "ExecStart", "ExecReload"] {
        for line in values(&unit, key) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words[0].ends_with("/rolecall") {
                assert_eq!(words[0], binary);
                assert!(words.ends_with(&["-c", CONFIGURATION]), "{line}");
                understood(&words);
                ours += 1;
            }
        }
    }
    assert_eq!(ours, 3, "checked, run, and checked before a reload");
    assert_eq!(values(&unit, "ConditionPathExists"), [CONFIGURATION]);
    let environment = destination_of("deploy/debian/environment");
    let optional = format!("-{environment}");
    assert_eq!(values(&unit, "EnvironmentFile"), [optional.as_str()]);
    assert!(
        assets().iter().all(|(_, to)| !CONFIGURATION.ends_with(to)),
        "the configuration is the operator's: an upgrade never asks about it"
    );
    let scripts = text_of("deploy/debian/postinst") + &text_of("deploy/debian/postrm");
    assert_eq!(scripts.matches(CONFIGURATION).count(), 4);
}

#[test]
fn user_and_directory_are_those_of_the_unit() {
    let unit = text_of("deploy/rolecall.service");
    let [user] = values(&unit, "User")[..] else {
        panic!("one user");
    };
    let sysusers = text_of("deploy/rolecall.sysusers");
    assert!(sysusers.contains(&format!("\nu {user} - ")));
    let [directory] = values(&unit, "RuntimeDirectory")[..] else {
        panic!("one directory");
    };
    let mode = values(&unit, "RuntimeDirectoryMode");
    let line = format!("\nd /run/{directory} {} {user} {user} -\n", mode[0]);
    let tmpfiles = text_of("deploy/rolecall.tmpfiles");
    assert!(tmpfiles.contains(&line), "{tmpfiles}{line}");
    let socket = loaded("config/rolecall.yaml").admin.socket;
    let beside = Path::new("/run").join(directory).join("admin.sock");
    assert_eq!(socket, Some(beside));
}

#[test]
fn the_package_has_what_it_names() {
    let assets = assets();
    assert!(assets.len() > 10, "{assets:?}");
    for (source, _) in &assets {
        if source.starts_with("target/") {
            continue;
        }
        match source.split_once('*') {
            None => assert!(root().join(source).is_file(), "{source}"),
            Some((folder, suffix)) => {
                let entries = fs::read_dir(root().join(folder)).expect("the folder");
                let names = entries.map(|entry| entry.expect("an entry").path());
                let count = names
                    .filter(|path| path.to_str().is_some_and(|path| path.ends_with(suffix)))
                    .count();
                assert!(count > 0, "{source}");
            }
        }
    }
    for script in ["postinst", "prerm", "postrm"] {
        let path = root().join("deploy/debian").join(script);
        let checked = Command::new("sh").arg("-n").arg(&path).status();
        assert!(checked.expect("run sh").success(), "{script}");
    }
    let version = format!("rolecall ({}-1) ", env!("CARGO_PKG_VERSION"));
    let changelog = text_of("deploy/debian/changelog");
    assert!(changelog.starts_with(&version), "{changelog}");
}

/// The words of a JSON array after an instruction of the Dockerfile.
fn exec_form(dockerfile: &str, instruction: &str) -> Vec<String> {
    let (_, rest) = dockerfile.split_once(instruction).expect("the instruction");
    let list = rest.lines().next().expect("its line");
    serde_json::from_str(list.trim()).expect("an array of words")
}

#[test]
fn the_image_runs_and_checks_itself_by_commands_that_there_are() {
    let dockerfile = text_of("Dockerfile");
    let entry = exec_form(&dockerfile, "\nENTRYPOINT ");
    let run = exec_form(&dockerfile, "\nCMD ");
    let words: Vec<&str> = entry.iter().chain(&run).map(String::as_str).collect();
    assert_eq!(words.last(), Some(&CONFIGURATION));
    understood(&words);
    let health = exec_form(&dockerfile, "\n    CMD ");
    let words: Vec<&str> = health.iter().map(String::as_str).collect();
    assert_eq!(words[0], entry[0]);
    understood(&words);
    for file in [
        "config/rolecall.yaml",
        "deploy/compose/rolecall/rolecall.yaml",
    ] {
        let http = loaded(file).admin.http.expect("admin.http");
        let url = format!("http://127.0.0.1:{}/readyz", http.port());
        assert_eq!(*words.last().expect("words"), url, "{file}");
    }
}

#[test]
fn the_build_of_the_image_gets_what_it_copies() {
    let ignored = text_of(".dockerignore");
    let let_in: Vec<&str> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let dockerfile = text_of("Dockerfile");
    let copies = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"));
    let mut copied = 0;
    for line in copies {
        let words: Vec<&str> = line.split_whitespace().collect();
        for source in &words[..words.len() - 1] {
            assert!(let_in.contains(source), "{source} in {line}");
            copied += 1;
        }
    }
    assert_eq!(copied, let_in.len(), "{let_in:?}");
    // It cuts the manifest off at the first bench.
    let manifest = text_of("Cargo.toml");
    let (_, rest) = manifest.split_once("[[bench]]").expect("benches");
    let others = rest.lines().filter(|line| line.starts_with('['));
    assert!(others.clone().all(|line| line == "[[bench]]"), "{rest}");
}

/// Texts that the sources take in from elsewhere in the repository.
fn included(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            included(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            for macro_name in ["include_str!(\"", "include_bytes!(\""] {
                for rest in text.split(macro_name).skip(1) {
                    let name = rest.split('"').next().expect("its end");
                    let target = folder.join(name).canonicalize().expect(name);
                    found.insert(target);
                }
            }
        }
    }
}

#[test]
fn the_build_of_the_image_has_all_that_the_sources_include() {
    let mut found = BTreeSet::new();
    included(&root().join("src"), &mut found);
    let dockerfile = text_of("Dockerfile");
    let mut outside = 0;
    for path in &found {
        let repository = root().canonicalize().expect("the root");
        let inner = path.strip_prefix(repository).expect("a part of it");
        let first = inner.iter().next().and_then(|part| part.to_str());
        let first = first.expect("UTF-8");
        assert!(
            dockerfile.contains(&format!("\nCOPY {first} {first}\n")),
            "{path:?}"
        );
        outside += usize::from(first != "src");
    }
    assert!(found.len() > outside && outside > 0, "{found:?}");
}

fn loaded(path: &str) -> Config {
    load(&root().join(path)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn compose() -> Value {
    serde_yaml::from_str(&text_of("deploy/compose.yaml")).expect("YAML")
}

fn services(compose: &Value) -> &serde_json::Map<String, Value> {
    compose["services"].as_object().expect("services")
}

/// The texts of a list.
fn texts<'v>(service: &'v Value, key: &str) -> Vec<&'v str> {
    let list = service[key].as_array().into_iter().flatten();
    list.map(|item| item.as_str().expect("a text")).collect()
}

/// The host of an address, which must be a name.
fn name_of(address: &Address) -> (String, u16) {
    match address {
        Address::Tcp(place) => {
            assert!(place.host.parse::<std::net::IpAddr>().is_err(), "{place:?}");
            (place.host.to_string(), place.port)
        }
        Address::Unix(path) => panic!("{}", path.display()),
    }
}

#[test]
fn compose_has_the_nodes_and_sentinels_of_its_configuration() {
    let (compose, config) = (compose(), loaded("deploy/compose/rolecall/rolecall.yaml"));
    let group = &config.groups[0];
    let sentinel = group.sentinel.as_ref().expect("sentinel");
    let start = text_of("deploy/compose/start.sh");
    for (kind, addresses) in [
        (
            "redis",
            group.nodes.iter().map(|node| &node.address).collect(),
        ),
        ("sentinel", sentinel.addresses.iter().collect::<Vec<_>>()),
    ] {
        let mut known = BTreeSet::new();
        for address in addresses {
            let (name, port) = name_of(address);
            assert!(start.contains(&format!("port {port}")), "{address:?}");
            let command = texts(&services(&compose)[&name], "command");
            assert_eq!(command, ["sh", "/start.sh", kind, &name]);
            known.insert(name);
        }
        let of_kind = |name: &&String| name.starts_with(&format!("{kind}-"));
        let all: BTreeSet<String> = services(&compose).keys().filter(of_kind).cloned().collect();
        assert_eq!((known.len(), known), (3, all));
    }
    assert!(start.contains(&format!("sentinel monitor {} redis-1 ", sentinel.name)));
}

#[test]
fn compose_publishes_to_this_host_alone_and_only_what_listens() {
    let (compose, config) = (compose(), loaded("deploy/compose/rolecall/rolecall.yaml"));
    let mut open: BTreeSet<u16> = config.admin.http.iter().map(SocketAddr::port).collect();
    for bind in config.listeners.iter().flat_map(|listener| &listener.binds) {
        let Bind::Tcp(address) = bind else { continue };
        assert!(address.ip().is_unspecified(), "others reach it: {bind:?}");
        open.insert(address.port());
    }
    let mut published = BTreeSet::new();
    for (name, service) in services(&compose) {
        for port in texts(service, "ports") {
            let rest = port.strip_prefix("127.0.0.1:");
            let (_, inner) = rest.and_then(|rest| rest.split_once(':')).expect(port);
            assert!(!name.starts_with("redis-") && !name.starts_with("sentinel-"));
            if name == "rolecall" {
                published.insert(inner.parse::<u16>().expect("a port"));
            }
        }
    }
    assert_eq!(published, open);
}

#[test]
fn compose_has_every_file_volume_and_health_check_that_it_needs() {
    let compose = compose();
    let volumes = compose["volumes"].as_object().expect("volumes");
    let mut used = BTreeSet::new();
    for (name, service) in services(&compose) {
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        // The image of rolecall has one.
        assert!(
            service["healthcheck"].is_object() || name == "rolecall",
            "{name}"
        );
        for volume in texts(service, "volumes") {
            let (source, rest) = volume.split_once(':').expect(volume);
            if !source.starts_with("./") {
                assert!(volumes.contains_key(source), "{volume}");
                used.insert(source);
                continue;
            }
            assert!(rest.ends_with(":ro"), "{volume}");
            let there = root().join("deploy").join(source).exists();
            assert!(there, "{volume}");
        }
    }
    assert_eq!(used.len(), volumes.len());
}

/// Makes a command that only start.sh finds.
fn stand_in(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("write a script");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&path, executable).expect("make it executable");
}

/// What start.sh starts: the command without its file, and then the file. The Sentinels say `primary`.
fn start(data: &Path, words: &[&str], primary: &str) -> String {
    stand_in(data, "docker-entrypoint.sh", "echo \"$1\" $3; cat \"$2\"");
    stand_in(data, "redis-cli", &format!("printf '{primary}'"));
    let path = std::env::var("PATH").expect("PATH");
    let output = Command::new("sh")
        .arg(root().join("deploy/compose/start.sh"))
        .args(words)
        .env("DATA", data)
        .env("PATH", format!("{}:{path}", data.display()))
        .output()
        .expect("run sh");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn only_the_first_start_of_compose_goes_by_the_number() {
    const NOBODY: &str = "";
    let dir = tempfile::tempdir().expect("a directory");
    let first = start(dir.path(), &["redis", "redis-2"], NOBODY);
    assert!(first.starts_with("redis-server\n"), "{first}");
    assert!(first.contains("\nreplica-announce-ip redis-2\n"), "{first}");
    assert!(first.contains("\nreplicaof redis-1 6379\n"), "{first}");
    // As Sentinel has it rewritten after a promotion.
    let promoted = first.replace("replicaof redis-1 6379\n", "");
    let (_, conf) = promoted.split_once('\n').expect("two lines");
    fs::write(dir.path().join("redis.conf"), conf).expect("write");
    for says in [NOBODY, "redis-2\\n6379\\n"] {
        assert_eq!(start(dir.path(), &["redis", "redis-2"], says), promoted);
    }

    // Another was promoted while it was away.
    for primary in ["redis-3", "redis-1"] {
        let demoted = start(
            dir.path(),
            &["redis", "redis-2"],
            &format!("{primary}\\n6379\\n"),
        );
        assert_eq!(demoted, format!("{promoted}replicaof {primary} 6379\n"));
    }
}

#[test]
fn the_first_primary_and_the_sentinels_of_compose() {
    let dir = tempfile::tempdir().expect("a directory");
    let primary = start(dir.path(), &["redis", "redis-1"], "");
    assert!(!primary.contains("replicaof"), "{primary}");
    let sentinel = start(dir.path(), &["sentinel", "sentinel-1"], "");
    assert!(
        sentinel.starts_with("redis-server --sentinel\n"),
        "{sentinel}"
    );
    for key in [
        "resolve-hostnames yes",
        "announce-hostnames yes",
        "announce-ip sentinel-1",
    ] {
        assert!(
            sentinel.contains(&format!("\nsentinel {key}\n")),
            "{sentinel}"
        );
    }
}

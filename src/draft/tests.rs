//! What a draft decides on machines that tests do not have.

use std::net::{IpAddr, SocketAddr};

use super::explore::{Explored, Origin, Seen};
use super::plan::{Plan, plan};
use super::{Auth, Host, Occupant, Source, Wanted, write};
use crate::config;
use crate::config::model::{Address, Config, Credentials, Secret};
use crate::core::facts::{Facts, HostPort};
use crate::core::sample::{primary, replica};
use crate::core::snapshot::Target;
use crate::redis::product::Product;

/// A machine with one address beside loopback, and somebody on some of them.
#[derive(Default)]
struct Machine {
    held: Vec<(SocketAddr, Occupant)>,
}

impl Host for Machine {
    fn has(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || ip.to_string() == "10.1.1.5"
    }

    fn holder(&self, address: SocketAddr) -> Occupant {
        let mut held = self.held.iter();
        let found = held.find(|(known, _)| *known == address);
        found.map_or(Occupant::Nobody, |(_, who)| who.clone())
    }
}

fn seen(address: &str, facts: Facts) -> Seen {
    let target: SocketAddr = address.parse().expect("an address");
    Seen {
        address: Address::Tcp(HostPort::new(&target.ip().to_string(), target.port())),
        origin: Origin::Given,
        target: Some(Target::Tcp(target)),
        answer: Ok(facts),
        product: Some(Product::Redis),
        auth: false,
        listed: false,
        followers: Vec::new(),
        writable: true,
    }
}

fn of_primary(run: &str) -> Facts {
    replica(run, "hist", &HostPort::new("10.1.1.1", 6379))
}

fn wanted(auth: Option<Auth>) -> Wanted {
    Wanted {
        nodes: Vec::new(),
        sentinels: Vec::new(),
        name: None,
        auth,
    }
}

fn planned(nodes: Vec<Seen>, machine: &Machine) -> Plan {
    let explored = Explored {
        nodes,
        ..Explored::default()
    };
    plan(&explored, &wanted(None), machine)
}

fn names(plan: &Plan) -> Vec<(&str, bool)> {
    let nodes = plan.nodes.iter();
    nodes.map(|node| (node.name.as_str(), node.local)).collect()
}

#[track_caller]
fn loaded(plan: &Plan) -> Config {
    let text = write::write(plan);
    let env = |name: &str| (name == "REDIS_PASSWORD").then(|| "hunter2".to_owned());
    let read = |path: &std::path::Path| {
        let is_it = path.to_str() == Some("/etc/a \"file\" for $100: #1");
        if is_it {
            Ok("hunter2\n".to_owned())
        } else {
            Err(std::io::ErrorKind::NotFound.into())
        }
    };
    config::parse(&text, "draft.yaml", &env, &read)
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn a_replica_on_this_host_beside_remote_nodes_is_local() {
    let remote = || {
        vec![
            seen("10.1.1.1:6379", primary("a", "hist")),
            seen("10.1.1.2:6379", of_primary("b")),
        ]
    };
    for here in ["127.0.0.4:6379", "10.1.1.5:6379"] {
        let mut nodes = remote();
        nodes.push(seen(here, of_primary("c")));
        let plan = planned(nodes, &Machine::default());
        let expected = [
            ("redis-1", false),
            ("redis-2", false),
            ("redis-local", true),
        ];
        assert_eq!(names(&plan), expected);
        let config = loaded(&plan);
        let listeners: Vec<String> = config
            .listeners
            .iter()
            .map(|listener| format!("{} {}", listener.name, listener.binds[0]))
            .collect();
        assert_eq!(
            listeners,
            [
                "redis-rw 127.0.0.1:6379",
                "redis-ro 127.0.0.2:6379",
                "redis-local-ro 127.0.0.3:6379"
            ]
        );
    }
    let mut nodes = remote();
    nodes.swap(0, 1);
    nodes.push(seen("127.0.0.4:6379", primary("c", "hist")));
    let plan = planned(nodes, &Machine::default());
    assert!(
        plan.nodes.iter().all(|node| !node.local),
        "a primary is not"
    );
    assert_eq!(plan.listeners.len(), 2);
}

#[test]
fn on_one_host_nobody_is_local_and_neither_is_one_that_sentinel_may_promote() {
    let all_here = vec![
        seen("127.0.0.4:6379", primary("a", "hist")),
        seen("127.0.0.5:6379", of_primary("b")),
    ];
    let plan = planned(all_here, &Machine::default());
    assert_eq!(names(&plan), [("redis-1", false), ("redis-2", false)]);

    let mut known = seen("10.1.1.5:6379", of_primary("c"));
    known.listed = true;
    let nodes = vec![seen("10.1.1.1:6379", primary("a", "hist")), known];
    let plan = planned(nodes, &Machine::default());
    assert_eq!(names(&plan), [("redis-1", false), ("redis-2", false)]);
    assert!(
        plan.remarks[0].contains("Sentinel may promote it"),
        "{:?}",
        plan.remarks
    );
}

#[test]
fn a_listener_does_not_take_the_place_of_a_redis() {
    let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let nodes = || {
        vec![
            seen("127.0.0.1:6379", primary("a", "hist")),
            seen("127.0.0.1:6380", of_primary("b")),
        ]
    };
    let machine = Machine {
        held: vec![
            (
                at("127.0.0.2:6379"),
                Occupant::Redis("pid 7 (redis-server)".into()),
            ),
            (
                at("127.0.0.2:6380"),
                Occupant::Other("pid 8 (nginx)".into()),
            ),
        ],
    };
    let plan = planned(nodes(), &machine);
    let binds: Vec<String> = plan
        .listeners
        .iter()
        .map(|each| each.bind.to_string())
        .collect();
    assert_eq!(binds, ["127.0.0.1:6381", "127.0.0.2:6381"]);
    assert_eq!(plan.remarks.len(), 2, "{:?}", plan.remarks);
    assert!(plan.remarks[0].contains("a node of the group listens there"));
    assert!(plan.remarks[1].contains("pid 7"));
    loaded(&plan);
}

#[test]
fn a_proxy_that_is_to_be_replaced_is_told_and_not_avoided() {
    let address = "127.0.0.1:6379".parse().expect("an address");
    let machine = Machine {
        held: vec![(address, Occupant::Other("pid 9 (haproxy)".into()))],
    };
    let plan = planned(vec![seen("10.1.1.1:6379", primary("a", "hist"))], &machine);
    assert_eq!(plan.listeners[0].bind, address);
    assert!(
        plan.remarks[0].contains("pid 9 (haproxy)"),
        "{:?}",
        plan.remarks
    );
}

#[test]
fn whatever_was_found_loads() {
    let auth = |source| Auth {
        credentials: Credentials {
            username: Some("off: \"$x\"".into()),
            password: Secret::new("hunter2".into()),
        },
        source,
    };
    let file = "/etc/a \"file\" for $100: #1";
    for source in [
        Source::Variable("REDIS_PASSWORD"),
        Source::File(file.into()),
    ] {
        let mut odd = seen("[fd00::7]:6379", of_primary("b"));
        odd.auth = true;
        odd.origin = Origin::PrimaryOf("a\u{7}b".into());
        let unix = Seen {
            address: Address::Unix("/run/redis/a b #1.sock".into()),
            target: None,
            answer: Err("refused the connection".into()),
            ..seen("10.1.1.9:6379", of_primary("x"))
        };
        let explored = Explored {
            nodes: vec![odd, unix],
            left_out: vec![(
                Address::Tcp(HostPort::new("10.1.1.9", 1)),
                "said\n  evil: true".into(),
            )],
            sentinels: vec![Address::Tcp(HostPort::new("fd00::8", 26379))],
            master_name: Some("my master, \"no\" #1".into()),
            sentinel_auth: true,
            wrong: Vec::new(),
        };
        let plan = plan(&explored, &wanted(Some(auth(source))), &Machine::default());
        let config = loaded(&plan);
        let group = &config.groups[0];
        assert_eq!(&*group.name, "main", "a name that cannot be one of ours");
        let sentinel = group.sentinel.as_ref().expect("Sentinels");
        assert_eq!(&*sentinel.name, "my master, \"no\" #1");
        let credentials = [group.auth.clone(), sentinel.auth.clone()];
        for credentials in credentials.into_iter().flatten() {
            assert_eq!(credentials.username.as_deref(), Some("off: \"$x\""));
            assert_eq!(credentials.password.expose(), "hunter2");
        }
        assert!(group.auth.is_some() && sentinel.auth.is_some());
        let text = write::write(&plan);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("# left out: 10.1.1.9:1 said   evil: true"),
            "{text}"
        );
    }
}

#[test]
fn words_that_yaml_would_read_as_something_else_are_quoted() {
    for name in [
        "off", "no", "123", "1e5", "true", "0x1f", "~", "a: b", "-", "x:", "1:30",
    ] {
        let explored = Explored {
            nodes: vec![seen("10.1.1.1:6379", primary("a", "hist"))],
            sentinels: vec![Address::Tcp(HostPort::new("10.1.1.1", 26379))],
            master_name: Some(name.to_owned()),
            ..Explored::default()
        };
        let plan = plan(&explored, &wanted(None), &Machine::default());
        let config = loaded(&plan);
        let sentinel = config.groups[0].sentinel.as_ref().expect("Sentinels");
        assert_eq!(&*sentinel.name, name);
    }
}

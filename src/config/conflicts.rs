//! What cannot be true at once: one address for two things, a proxy that is its own node (R1), a claim
//! that is held longer than clients wait for it.

use std::net::{IpAddr, SocketAddr};

use super::admin::AdminDraft;
use super::groups::GroupDraft;
use super::listeners::ListenerDraft;
use super::model::{Address, Bind};
use super::reader::Reader;
use super::resolve::Links;
use super::tree::{At, Place};
use crate::core::time::in_words;

/// An address that we listen on, and for whom.
struct Own {
    whose: String,
    bind: At<Bind>,
}

/// Tells all conflicts.
pub(super) fn check(
    reader: &mut Reader<'_>,
    groups: &[GroupDraft],
    listeners: &[ListenerDraft],
    links: &[Links],
    admin: &AdminDraft,
) {
    let own = own_addresses(listeners, admin);
    check_binds(reader, &own);
    for group in groups {
        check_nodes(reader, group, &own);
        check_sentinels(reader, group, &own);
    }
    check_holds(reader, groups, listeners, links);
}

/// In the order of the file, so that the later of two is blamed.
fn own_addresses(listeners: &[ListenerDraft], admin: &AdminDraft) -> Vec<Own> {
    let of_listeners = listeners.iter().flat_map(|listener| {
        listener.binds.iter().map(|bind| Own {
            whose: format!("listener {}", listener.name.value),
            bind: bind.clone(),
        })
    });
    let http = admin.http.iter().map(|at| Own {
        whose: "admin.http".to_owned(),
        bind: At {
            value: Bind::Tcp(at.value),
            place: at.place,
        },
    });
    let socket = admin.socket.iter().map(|at| Own {
        whose: "admin.socket".to_owned(),
        bind: At {
            value: Bind::Unix(at.value.clone()),
            place: at.place,
        },
    });
    let mut own: Vec<Own> = of_listeners.chain(http).chain(socket).collect();
    own.sort_by_key(|own| own.bind.place);
    own
}

fn check_binds(reader: &mut Reader<'_>, own: &[Own]) {
    for (index, later) in own.iter().enumerate() {
        let clash = own[..index]
            .iter()
            .find(|earlier| clash(&earlier.bind.value, &later.bind.value));
        // The same value twice in one list was told by the reader.
        let Some(earlier) = clash.filter(|earlier| {
            earlier.whose != later.whose || earlier.bind.value != later.bind.value
        }) else {
            continue;
        };
        let line = earlier.bind.place.line;
        let (whose, taken) = (&earlier.whose, &earlier.bind.value);
        let message = if *taken == later.bind.value {
            format!("{} is already the address of {whose}", later.bind.value)
        } else {
            format!("{} overlaps with {taken} of {whose}", later.bind.value)
        };
        let hint = format!("see line {line}: give each its own address or port");
        reader.complain(later.bind.place, message, hint);
    }
}

/// Whether both cannot be bound. `[::]` and `0.0.0.0` are told apart: they are different sockets.
fn clash(a: &Bind, b: &Bind) -> bool {
    match (a, b) {
        (Bind::Unix(a), Bind::Unix(b)) => a == b,
        (Bind::Tcp(a), Bind::Tcp(b)) => {
            let any = a.ip().is_unspecified() || b.ip().is_unspecified();
            a.port() == b.port() && (a.ip() == b.ip() || any && a.is_ipv4() == b.is_ipv4())
        }
        _ => false,
    }
}

fn check_nodes(reader: &mut Reader<'_>, group: &GroupDraft, own: &[Own]) {
    for (index, node) in group.nodes.iter().enumerate() {
        let Some(address) = &node.address else {
            continue;
        };
        let what = format!("node {}", node.name.value);
        check_not_own(reader, &what, address, own);
        let twin = group.nodes[..index].iter().find(|other| {
            other
                .address
                .as_ref()
                .is_some_and(|other| same(&other.value, &address.value))
        });
        if let Some(twin) = twin {
            let message = format!("{what} has the address of node {}", twin.name.value);
            let line = twin.name.place.line;
            let hint =
                format!("see line {line}: two names for one node would count its vote twice");
            reader.complain(address.place, message, hint);
        }
    }
}

fn check_sentinels(reader: &mut Reader<'_>, group: &GroupDraft, own: &[Own]) {
    for sentinel in &group.sentinels {
        check_not_own(reader, "a Sentinel", sentinel, own);
        let node = group.nodes.iter().find(|node| {
            node.address
                .as_ref()
                .is_some_and(|node| same(&node.value, &sentinel.value))
        });
        if let Some(node) = node {
            let message = format!("this Sentinel has the address of node {}", node.name.value);
            let hint = "a Sentinel is a process of its own, usually on port 26379";
            reader.complain(sentinel.place, message, hint);
        }
    }
}

/// R1: an address that is one of our own listeners is a configuration error.
fn check_not_own(reader: &mut Reader<'_>, what: &str, address: &At<Address>, own: &[Own]) {
    let Some(ours) = own
        .iter()
        .find(|own| reaches(&address.value, &own.bind.value))
    else {
        return;
    };
    let message = format!("{what} has the address of {}, which is our own", ours.whose);
    let line = ours.bind.place.line;
    let hint = format!("see line {line}: write where Redis itself listens");
    reader.complain(address.place, message, hint);
}

/// Whether dialling the address leads to the bind, as far as can be told without looking names up.
fn reaches(address: &Address, bind: &Bind) -> bool {
    match (address, bind) {
        (Address::Unix(path), Bind::Unix(own)) => path == own,
        (Address::Tcp(target), Bind::Tcp(own)) => {
            target.port == own.port() && ip_of(&target.host, own).is_some_and(|ip| hits(ip, own))
        }
        _ => false,
    }
}

fn hits(ip: IpAddr, own: &SocketAddr) -> bool {
    let any = own.ip().is_unspecified() && ip.is_loopback() && ip.is_ipv4() == own.is_ipv4();
    ip == own.ip() || any
}

/// A literal address, and the one name whose meaning is known.
fn ip_of(host: &str, like: &SocketAddr) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(match like {
            SocketAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            SocketAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        });
    }
    host.parse().ok()
}

fn same(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Tcp(a), Address::Tcp(b)) => {
            let ips = a
                .host
                .parse::<IpAddr>()
                .ok()
                .zip(b.host.parse::<IpAddr>().ok());
            let same_host = match ips {
                Some((a, b)) => a == b,
                None => a.host.eq_ignore_ascii_case(&b.host),
            };
            a.port == b.port && same_host
        }
        _ => a == b,
    }
}

/// A client that is parked must still be there when the hold ends.
fn check_holds(
    reader: &mut Reader<'_>,
    groups: &[GroupDraft],
    listeners: &[ListenerDraft],
    links: &[Links],
) {
    for (index, group) in groups.iter().enumerate() {
        let (hold, written) = group.claim_hold;
        let of_group = listeners
            .iter()
            .zip(links)
            .filter(|(_, link)| link.group == Some(index));
        let shortest = of_group
            .map(|(listener, _)| listener)
            .min_by_key(|listener| listener.park.timeout);
        let Some(listener) = shortest.filter(|listener| listener.park.timeout <= hold) else {
            continue;
        };
        let message = format!(
            "claim_hold ({}) of group {} is not below park.timeout ({}) of listener {}",
            in_words(hold),
            group.name.value,
            in_words(listener.park.timeout),
            listener.name.value,
        );
        let place: Option<Place> = written.or(listener.park_timeout);
        let hint = "clients would give up waiting just before a primary is elected";
        reader.complain(place.unwrap_or(group.name.place), message, hint);
    }
}

//! Values for variables that are not set here, so that the new configuration can be validated: an address
//! where an address is wanted, a port where a port is, each different from all others.

use std::collections::BTreeMap;

use super::address;
use super::plan::Plan;

/// One value for each variable that the plan needs.
pub(super) fn of(plan: &Plan) -> BTreeMap<String, String> {
    let mut standins = Standins::default();
    for group in &plan.groups {
        for node in &group.nodes {
            standins.address(&node.address);
        }
        let sentinel = group.sentinel.iter();
        for text in sentinel.flat_map(|sentinel| &sentinel.addresses) {
            standins.address(text);
        }
        let sentinel_auth = group.sentinel.iter().filter_map(|it| it.auth.as_ref());
        for auth in group.auth.iter().chain(sentinel_auth) {
            standins
                .values
                .entry(auth.variable.clone())
                .or_insert_with(|| "x".to_owned());
            standins.words(auth.user.as_deref().unwrap_or_default());
        }
        let name = group.sentinel.as_ref().and_then(|it| it.name.as_deref());
        standins.words(name.unwrap_or_default());
    }
    for (bind, _) in plan.listeners.iter().flat_map(|listener| &listener.binds) {
        standins.address(bind);
    }
    standins.values
}

#[derive(Default)]
struct Standins {
    values: BTreeMap<String, String>,
}

impl Standins {
    /// From the range for tests of networks, which no listener on all addresses of a host covers.
    fn address(&mut self, text: &str) {
        let number = self.values.len() + 1;
        if address::is_one_variable(text) {
            self.set(
                text,
                &format!(
                    "198.18.{}.{}:{}",
                    number / 250,
                    number % 250 + 1,
                    20_000 + number
                ),
            );
            return;
        }
        let (host, port) = address::split(text);
        if address::is_one_variable(host) {
            self.set(
                host,
                &format!("198.18.{}.{}", number / 250, number % 250 + 1),
            );
        } else {
            self.words(host);
        }
        self.set(port.unwrap_or_default(), &(20_000 + number).to_string());
    }

    /// Variables that are parts of a name.
    fn words(&mut self, text: &str) {
        let number = self.values.len() + 1;
        self.set(text, &(number % 250 + 1).to_string());
    }

    fn set(&mut self, text: &str, value: &str) {
        for name in names_in(text) {
            let entry = self.values.entry(name.to_owned());
            entry.or_insert_with(|| value.to_owned());
        }
    }
}

/// The variables of a text.
pub(super) fn names_in(text: &str) -> Vec<&str> {
    let pieces = text.split("${").skip(1);
    let insides = pieces.filter_map(|piece| piece.split('}').next());
    insides
        .filter_map(|inside| inside.split(":-").next())
        .collect()
}

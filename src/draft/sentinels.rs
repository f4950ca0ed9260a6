//! Asks the named Sentinels: what they call the group, whom they name, which replicas and which other
//! Sentinels they know.

use std::future::Future;
use std::time::Duration;

use super::explore::{Explored, Origin};
use super::{Auth, DraftError, Wanted};
use crate::check::ask::{SentinelSaid, all, ask_sentinel};
use crate::config::model::Address;
use crate::core::sentinel::SentinelReport;

/// For one Sentinel.
const SENTINEL: Duration = Duration::from_secs(2);

/// Asks the named Sentinels and those that they know; gives the nodes that they name.
pub(super) async fn ask(
    explored: &mut Explored,
    wanted: &Wanted,
) -> Result<Vec<(Address, Origin)>, DraftError> {
    let auth = wanted.auth.as_ref();
    let name = match &wanted.name {
        Some(name) => name.clone(),
        None => only_name(&wanted.sentinels, auth).await?,
    };
    let given = wanted.sentinels.iter();
    let said = all(given.map(|address| question(address.clone(), auth, &name))).await;
    let mut nodes = Vec::new();
    let mut others: Vec<Address> = Vec::new();
    for (address, with_password, said) in &said {
        match &said.report {
            SentinelReport::Votes(vote) => {
                let replicas = said.replicas.iter().flatten();
                let places = replicas.map(|entry| entry.listed.address.clone());
                let origin = || Origin::OfSentinel(address.to_string());
                let all = std::iter::once(vote.address.clone()).chain(places);
                nodes.extend(all.map(|place| (Address::Tcp(place), origin())));
                let known = said.sentinels.iter().flatten();
                others.extend(known.map(|entry| Address::Tcp(entry.listed.address.clone())));
                explored.sentinels.push(address.clone());
                explored.sentinel_auth |= with_password;
            }
            _ => explored
                .wrong
                .push(format!("Sentinel {address} {}", why_not(said, &name))),
        }
    }
    others.retain(|other| !wanted.sentinels.contains(other));
    others.sort_by_key(ToString::to_string);
    others.dedup();
    for (address, with_password, said) in all(others
        .into_iter()
        .map(|address| question(address, auth, &name)))
    .await
    {
        if matches!(said.report, SentinelReport::Votes(_)) {
            explored.sentinels.push(address);
            explored.sentinel_auth |= with_password;
        } else {
            let why = why_not(&said, &name);
            explored
                .left_out
                .push((address, format!("as a Sentinel: it {why}")));
        }
    }
    explored.master_name = Some(name);
    Ok(nodes)
}

/// The only name that the Sentinels know.
async fn only_name(sentinels: &[Address], auth: Option<&Auth>) -> Result<String, DraftError> {
    // No group has an empty name: a Sentinel answers so, and then lists what it watches.
    let said = all(sentinels
        .iter()
        .map(|address| question(address.clone(), auth, "")))
    .await;
    let mut names: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    for (address, _, said) in &said {
        match (&said.report, &said.masters) {
            (SentinelReport::UnknownName, Some(masters)) => {
                names.extend(masters.iter().map(|entry| entry.name.clone()));
            }
            _ => wrong.push(format!("Sentinel {address} {}", why_not(said, ""))),
        }
    }
    names.sort();
    names.dedup();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] if wrong.is_empty() => {
            let words = "the Sentinels watch no group yet: have them monitor one first";
            Err(DraftError::Name(words.to_owned()))
        }
        [] => Err(DraftError::Nobody(wrong)),
        several => {
            let several = several.join(", ");
            Err(DraftError::Name(format!(
                "the Sentinels watch several groups: choose with --name one of {several}"
            )))
        }
    }
}

/// Asks one Sentinel: without a password, and with it where it wants one.
fn question(
    address: Address,
    auth: Option<&Auth>,
    name: &str,
) -> impl Future<Output = (Address, bool, SentinelSaid)> + Send + use<> {
    let (auth, name) = (auth.map(|auth| auth.credentials.clone()), name.to_owned());
    async move {
        let said = ask_sentinel(&address, None, &name, SENTINEL).await;
        let refused = matches!(said.report, SentinelReport::Denied(_));
        match auth.filter(|_| refused) {
            Some(auth) => {
                let said = ask_sentinel(&address, Some(&auth), &name, SENTINEL).await;
                (address, true, said)
            }
            None => (address, false, said),
        }
    }
}

/// After its address: why it names nobody.
fn why_not(said: &SentinelSaid, name: &str) -> String {
    match &said.report {
        SentinelReport::Votes(_) => String::new(),
        SentinelReport::UnknownName => {
            let masters = said.masters.iter().flatten();
            let known: Vec<&str> = masters.map(|entry| entry.name.as_str()).collect();
            if known.is_empty() {
                format!("watches no group named {name}")
            } else {
                let known = known.join(", ");
                format!("watches no group named {name}; it watches {known}")
            }
        }
        SentinelReport::NotASentinel(what) => format!("is no Sentinel: {what}"),
        SentinelReport::Denied(said) => format!("refuses us ({said})"),
        SentinelReport::Unreachable(why) => why.to_string(),
    }
}

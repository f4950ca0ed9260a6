//! The questions to a Sentinel, each one exchange on a connection: whom it names, and what it lists.
//!
//! For [`super::sentinel`], which asks again and again, and for [`super::ask`], which asks once. Deadlines
//! are their callers'.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::checker::login;
use super::connection::{Connection, DialError};
use super::resolve::{Place, Resolver};
use crate::config::model::Credentials;
use crate::core::sentinel::SentinelReport;
use crate::core::snapshot::Target;
use crate::redis::listing::{Entry, Listing, What};
use crate::redis::sentinel::Query;

/// Bytes read at a time.
const CHUNK: usize = 4 * 1024;

/// Dials a Sentinel. `deadline` bounds the look-up of its name only.
///
/// # Errors
/// What is wrong, to go on after its address.
pub(super) async fn dial(resolver: &Resolver, deadline: Instant) -> Result<Connection, Arc<str>> {
    let target = target(resolver, deadline).await?;
    Connection::dial(&target)
        .await
        .map_err(|error| match error {
            DialError::Node(outcome) => outcome.to_string().into(),
            DialError::Ourselves(error) => format!("cannot be dialled from here: {error}").into(),
        })
}

/// Where it is; waits for the first answer of the name server, no longer than `deadline`.
async fn target(resolver: &Resolver, deadline: Instant) -> Result<Target, Arc<str>> {
    resolver.refresh();
    let place = resolver.place();
    if place == Place::default() {
        let _ = timeout_at(deadline, resolver.news(&place)).await;
    }
    let place = resolver.place();
    place.target.ok_or_else(|| {
        let why = place.failure.unwrap_or_else(|| "no answer yet".into());
        format!("has a name that cannot be looked up ({why})").into()
    })
}

/// Whom it names, on a new connection.
pub(super) async fn vote(
    connection: &mut Connection,
    auth: Option<&Credentials>,
    master_name: &str,
) -> SentinelReport {
    let (mut query, request) = Query::new(auth.map(login), master_name);
    // One that refuses us may close before it was asked: its words are still there to be read.
    let _ = connection.write_all(&request).await;
    let mut chunk = [0; CHUNK];
    loop {
        let length = match connection.read(&mut chunk).await {
            Ok(0) | Err(_) => {
                return SentinelReport::Unreachable("closed the connection".into());
            }
            Ok(length) => length,
        };
        if let Some(report) = query.feed(chunk.get(..length).unwrap_or_default()) {
            return report;
        }
    }
}

/// A list, on a connection on which it was asked whom it names. None when the connection breaks; an error
/// is what came instead.
pub(super) async fn list(
    connection: &mut Connection,
    what: What<'_>,
) -> Option<Result<Vec<Entry>, String>> {
    let (mut query, request) = Listing::new(what);
    connection.write_all(&request).await.ok()?;
    let mut chunk = [0; CHUNK];
    loop {
        let length = connection.read(&mut chunk).await.ok()?;
        if length == 0 {
            return None;
        }
        if let Some(answer) = query.feed(chunk.get(..length).unwrap_or_default()) {
            return Some(answer);
        }
    }
}

//! The questions to a Sentinel, each one exchange on a connection: whom it names, and what it lists.
//!
//! For [`super::sentinel`], which asks again and again, and for [`super::ask`], which asks once. Deadlines
//! are their callers'.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::checker::login;
use super::connection::{Connection, DialError};
use super::reach;
use super::resolve::{Place, Resolver};
use crate::config::model::Credentials;
use crate::core::outcome::{Outcome, Stage};
use crate::core::sentinel::SentinelReport;
use crate::core::snapshot::Target;
use crate::redis::listing::{Entry, Listing, What};
use crate::redis::sentinel::Query;

/// Bytes read at a time.
const CHUNK: usize = 4 * 1024;

/// Dials a Sentinel at the address in use, else at the other addresses of its name. The first that accepts
/// is in use from then on.
///
/// # Errors
/// What is wrong, to go on after its address.
pub(super) async fn dial(
    resolver: &Resolver,
    deadline: Instant,
) -> Result<(Connection, Target), Arc<str>> {
    let all = targets(resolver, deadline).await?;
    let mut tried = Vec::new();
    for (index, target) in all.iter().enumerate() {
        let until = reach::share(deadline, all.len() - index);
        let outcome = match timeout_at(until, Connection::dial(target)).await {
            Ok(Ok(connection)) => {
                if index > 0 {
                    resolver.prefer(target);
                }
                return Ok((connection, target.clone()));
            }
            Ok(Err(DialError::Ourselves(error))) => {
                return Err(format!("cannot be dialled from here: {error}").into());
            }
            Ok(Err(DialError::Node(outcome))) => outcome,
            Err(_) => Outcome::TimedOut(Stage::Connect),
        };
        tried.push((target.clone(), outcome));
    }
    Err(match tried.as_slice() {
        [(_, only)] => only.to_string().into(),
        all => format!(
            "accepts at none of the addresses of its name ({})",
            reach::in_words(all)
        )
        .into(),
    })
}

/// Where it is, the address in use first; waits for the first answer of the name server, no longer than
/// `deadline`.
async fn targets(resolver: &Resolver, deadline: Instant) -> Result<Vec<Target>, Arc<str>> {
    resolver.refresh();
    let place = resolver.place();
    if place == Place::default() {
        let _ = timeout_at(deadline, resolver.news(&place)).await;
    }
    let place = resolver.place();
    let Some(target) = place.target else {
        let why = place.failure.unwrap_or_else(|| "no answer yet".into());
        return Err(format!("has a name that cannot be looked up ({why})").into());
    };
    Ok([target].into_iter().chain(place.others).collect())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::config::model::Address;
    use crate::core::facts::HostPort;

    async fn resolver(all: Vec<std::net::SocketAddr>) -> Resolver {
        let name = Address::Tcp(HostPort::new("sentinel.example", 26379));
        let lookup = Box::new(move |_: &HostPort| -> super::super::resolve::Answer {
            Box::pin(std::future::ready(Ok(all.clone())))
        });
        let resolver = Resolver::new(&name, None, lookup);
        resolver.news(&Place::default()).await;
        resolver
    }

    #[tokio::test]
    async fn a_sentinel_is_dialled_at_each_address_of_its_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let second = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let first = closed.local_addr().unwrap();
        drop(closed);
        let deadline = || Instant::now() + Duration::from_secs(60);
        let resolver = resolver(vec![first, second]).await;
        let (_connection, target) = dial(&resolver, deadline()).await.unwrap();
        assert_eq!(target, Target::Tcp(second));
        assert_eq!(
            resolver.place().target,
            Some(Target::Tcp(second)),
            "it stays in use"
        );
        drop(listener);
        let why = dial(&resolver, deadline()).await.unwrap_err();
        let words = format!(
            "accepts at none of the addresses of its name ({second} refused the connection, {first} refused the connection)"
        );
        assert_eq!(*why, *words);
    }
}

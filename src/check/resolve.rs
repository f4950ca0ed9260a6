//! Where a node is: its address as written, turned into something to dial.
//!
//! Literal addresses and Unix sockets are known at once. A host name is looked up in a task of its own,
//! when a dial asks for it and every ten seconds, so that a name server that hangs delays no check. The
//! last good answer is kept: a name server that is down takes no node away.
//!
//! A name may have several addresses. One is in use, and stays in use while it is in the answer and the
//! node answers there; the others are there to be tried when it does not.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::config::model::Address;
use crate::core::facts::HostPort;
use crate::core::snapshot::Target;

/// From the end of one look-up to the start of the next.
const REFRESH: Duration = Duration::from_secs(10);

/// After how long a look-up without an answer is called a failure.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of a node's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Of the last good answer, the address in use.
    pub(super) target: Option<Target>,
    /// The other addresses of the name, in the order of the answer.
    pub(super) others: Vec<Target>,
    /// What the last look-up failed with; none when it was answered.
    pub(super) failure: Option<Arc<str>>,
}

/// Asks a name server.
pub(super) type Lookup = Box<dyn Fn(&HostPort) -> Answer + Send + Sync>;

/// What a name server says, in its time.
pub(super) type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Knows where one node is.
#[derive(Debug)]
pub(super) struct Resolver {
    place: Arc<watch::Sender<Place>>,
    ask: Arc<Notify>,
    /// The task that looks names up; ends with this value.
    task: Option<AbortOnDropHandle<()>>,
}

impl Resolver {
    /// Starts to look for `address`. A name that was looked up before is still at `present`, if it has
    /// that address. Call it within a runtime.
    pub(super) fn new(address: &Address, present: Option<Target>, lookup: Lookup) -> Self {
        let ask = Arc::new(Notify::new());
        let place = Arc::new(watch::Sender::new(Place {
            target: literal(address).or(present),
            ..Place::default()
        }));
        let task = match (address, literal(address)) {
            (Address::Tcp(name), None) => {
                let names = Names {
                    name: name.clone(),
                    lookup,
                    ask: Arc::clone(&ask),
                    place: Arc::clone(&place),
                };
                Some(AbortOnDropHandle::new(tokio::spawn(names.run())))
            }
            _ => None,
        };
        Self { place, ask, task }
    }

    /// For a node at one address.
    pub(super) fn fixed(target: Target) -> Self {
        let place = Place {
            target: Some(target),
            ..Place::default()
        };
        Self {
            place: Arc::new(watch::Sender::new(place)),
            ask: Arc::default(),
            task: None,
        }
    }

    /// Puts another address of the name in use; false where the name does not have it any more.
    pub(super) fn prefer(&self, target: &Target) -> bool {
        self.place.send_if_modified(|place| {
            let found = place.others.iter().position(|other| other == target);
            let Some(other) = found.and_then(|index| place.others.get_mut(index)) else {
                return false;
            };
            match &mut place.target {
                Some(present) => std::mem::swap(present, other),
                None => return false,
            }
            true
        })
    }

    /// Looks the name up again, beside whatever else goes on.
    pub(super) fn refresh(&self) {
        if self.task.is_some() {
            self.ask.notify_one();
        }
    }

    /// What is known now.
    pub(super) fn place(&self) -> Place {
        self.place.borrow().clone()
    }

    /// Ends when something else is known than `seen`; never for a literal address.
    pub(super) async fn news(&self, seen: &Place) {
        self.until(|place| place != seen).await;
    }

    /// Ends when the node is no longer at `target`; never for a literal address.
    pub(super) async fn left(&self, target: &Target) {
        self.until(|place| place.target.as_ref() != Some(target))
            .await;
    }

    async fn until(&self, holds: impl FnMut(&Place) -> bool) {
        let mut place = self.place.subscribe();
        if place.wait_for(holds).await.is_err() {
            // Nobody looks any more: what is known stays.
            std::future::pending::<()>().await;
        }
    }
}

/// The look-up of the system, as in /etc/nsswitch.conf.
pub(super) fn system() -> Lookup {
    Box::new(|name| {
        let name = (name.host.to_string(), name.port);
        Box::pin(async move { Ok(tokio::net::lookup_host(name).await?.collect()) })
    })
}

fn literal(address: &Address) -> Option<Target> {
    match address {
        Address::Unix(path) => Some(Target::Unix(path.clone())),
        Address::Tcp(HostPort { host, port }) => {
            let ip: IpAddr = host.parse().ok()?;
            Some(Target::Tcp(SocketAddr::new(ip, *port)))
        }
    }
}

/// The task behind a host name.
struct Names {
    name: HostPort,
    lookup: Lookup,
    ask: Arc<Notify>,
    place: Arc<watch::Sender<Place>>,
}

impl Names {
    async fn run(self) {
        loop {
            self.look_up().await;
            tokio::select! {
                () = sleep(REFRESH) => {}
                () = self.ask.notified() => {}
            }
        }
    }

    /// One look-up, to its end however long it takes: the system's cannot be cancelled, and hanging ones
    /// would pile up.
    async fn look_up(&self) {
        let mut answer = (self.lookup)(&self.name);
        let patience = sleep_until(Instant::now() + PATIENCE);
        let answer = tokio::select! {
            answer = &mut answer => answer,
            () = patience => {
                self.failed(&format!("no answer within {}s", PATIENCE.as_secs()));
                answer.await
            }
        };
        match answer {
            Err(error) => self.failed(&error.to_string()),
            Ok(addresses) if addresses.is_empty() => self.failed("it has no address"),
            Ok(addresses) => self.publish(|known| choose(known.target.as_ref(), &addresses)),
        }
    }

    fn failed(&self, why: &str) {
        self.publish(|known| Place {
            failure: Some(why.into()),
            ..known.clone()
        });
    }

    fn publish(&self, next: impl FnOnce(&Place) -> Place) {
        let mut before = None;
        self.place.send_if_modified(|known| {
            let place = next(known);
            let news = *known != place;
            before = std::mem::replace(known, place).failure;
            news
        });
        let (name, place) = (&self.name.host, self.place.borrow());
        match (before, &place.failure) {
            (None, Some(why)) if place.target.is_some() => {
                tracing::warn!(%name, %why, "the name cannot be looked up; the last address is kept");
            }
            (Some(_), None) => tracing::info!(%name, "the name can be looked up again"),
            _ => {}
        }
    }
}

/// All addresses of a name. In use is the present one while it is among them, since each change costs a new
/// start; else the first.
fn choose(present: Option<&Target>, answers: &[SocketAddr]) -> Place {
    let mut others: Vec<Target> = Vec::new();
    for address in answers {
        let target = Target::Tcp(*address);
        if !others.contains(&target) {
            others.push(target);
        }
    }
    let in_use = present.and_then(|present| others.iter().position(|each| each == present));
    let target = match in_use {
        Some(index) => Some(others.remove(index)),
        None if others.is_empty() => None,
        None => Some(others.remove(0)),
    };
    Place {
        target,
        others,
        failure: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn name() -> Address {
        Address::Tcp(HostPort::new("redis-1.example", 6379))
    }

    /// Gives one scripted answer after the other, the last one for ever.
    fn scripted(mut answers: Vec<io::Result<Vec<SocketAddr>>>) -> Lookup {
        answers.reverse();
        let answers = Mutex::new(answers);
        Box::new(move |_| {
            let mut answers = answers.lock().unwrap();
            let answer = if answers.len() > 1 {
                answers.pop().unwrap()
            } else {
                answers[0]
                    .as_ref()
                    .map(Clone::clone)
                    .map_err(|error| error.kind().into())
            };
            Box::pin(std::future::ready(answer))
        })
    }

    async fn next(resolver: &Resolver, seen: &Place) -> Place {
        resolver.news(seen).await;
        resolver.place()
    }

    #[test]
    fn the_present_address_is_preferred() {
        let (a, b, c) = (at("10.0.0.1:1"), at("10.0.0.2:1"), at("10.0.0.3:1"));
        let tcp = Target::Tcp;
        for (present, answers, expected) in [
            (Some(b), vec![a, b, c], vec![b, a, c]),
            (Some(b), vec![a], vec![a]),
            (None, vec![a, b, a], vec![a, b]),
            (Some(a), vec![], vec![]),
        ] {
            let place = choose(present.map(tcp).as_ref(), &answers);
            let all: Vec<_> = place.target.into_iter().chain(place.others).collect();
            let expected: Vec<_> = expected.into_iter().map(tcp).collect();
            assert_eq!(all, expected, "{present:?} in {answers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_put_in_use_stays_so_while_the_name_has_it() {
        let (a, b, c) = (at("10.0.0.1:1"), at("10.0.0.2:1"), at("10.0.0.3:1"));
        let tcp = Target::Tcp;
        let answers = vec![Ok(vec![a, b, c]), Ok(vec![c, a, b]), Ok(vec![a, c])];
        let resolver = Resolver::new(&name(), None, scripted(answers));
        let found = next(&resolver, &Place::default()).await;
        assert_eq!(
            (found.target, found.others),
            (Some(tcp(a)), vec![tcp(b), tcp(c)])
        );
        assert!(!resolver.prefer(&tcp(at("10.0.0.4:1"))), "not of the name");
        assert!(resolver.prefer(&tcp(b)));
        let preferred = resolver.place();
        assert_eq!(preferred.others, [tcp(a), tcp(c)]);
        let again = next(&resolver, &preferred).await;
        assert_eq!(again.target, Some(tcp(b)));
        assert_eq!(again.others, [tcp(c), tcp(a)]);
        let left = next(&resolver, &again).await;
        assert_eq!(left.target, Some(tcp(a)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_was_known_at_an_address_is_still_there() {
        let (a, b) = (at("10.0.0.1:1"), at("10.0.0.2:1"));
        let tcp = Target::Tcp;
        let resolver = Resolver::new(&name(), Some(tcp(b)), scripted(vec![Ok(vec![a, b])]));
        let known = resolver.place();
        assert_eq!(known.target, Some(tcp(b)), "before any answer");
        let found = next(&resolver, &known).await;
        assert_eq!((found.target, found.others), (Some(tcp(b)), vec![tcp(a)]));
    }

    #[tokio::test]
    async fn literal_addresses_are_never_looked_up() {
        let never = || -> Lookup { Box::new(|_| panic!("looked up")) };
        for (host, target) in [("10.1.1.1", "10.1.1.1:6379"), ("fd00::1", "[fd00::1]:6379")] {
            let resolver = Resolver::new(&Address::Tcp(HostPort::new(host, 6379)), None, never());
            resolver.refresh();
            assert_eq!(resolver.place().target, Some(Target::Tcp(at(target))));
        }
        let resolver = Resolver::new(&Address::Unix("/run/redis.sock".into()), None, never());
        assert_eq!(
            resolver.place().target,
            Some(Target::Unix("/run/redis.sock".into()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_and_its_last_good_answer_is_kept() {
        let (a, b) = (at("10.0.0.1:6379"), at("10.0.0.2:6379"));
        let gone = || Err(io::Error::other("no such host"));
        let answers = vec![gone(), Ok(vec![a, b]), Ok(vec![b, a]), gone(), Ok(vec![b])];
        let resolver = Resolver::new(&name(), None, scripted(answers));
        let failed = next(&resolver, &Place::default()).await;
        assert_eq!(failed.target, None);
        assert_eq!(failed.failure.as_deref(), Some("no such host"));

        // Asked for, as by a dial.
        let asked = Instant::now();
        resolver.refresh();
        let found = next(&resolver, &failed).await;
        assert_eq!(found.target, Some(Target::Tcp(a)));
        assert_eq!(asked.elapsed(), Duration::ZERO);

        // By itself: the second answer changes nothing, the third fails and the address stays.
        let kept = next(&resolver, &found).await;
        assert_eq!(kept.target, Some(Target::Tcp(a)));
        assert_eq!(kept.failure.as_deref(), Some("no such host"));
        assert!(asked.elapsed() >= 2 * REFRESH);
        let moved = next(&resolver, &kept).await;
        assert_eq!((moved.target, moved.failure), (Some(Target::Tcp(b)), None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_hangs_is_a_failure_and_may_still_be_answered() {
        let a = at("10.0.0.1:6379");
        let slow: Lookup = Box::new(move |_| {
            Box::pin(async move {
                sleep(5 * PATIENCE).await;
                Ok(vec![a])
            })
        });
        let resolver = Resolver::new(&name(), None, slow);
        let failed = next(&resolver, &Place::default()).await;
        assert_eq!(failed.failure.as_deref(), Some("no answer within 2s"));
        assert_eq!(next(&resolver, &failed).await.target, Some(Target::Tcp(a)));
    }

    #[tokio::test]
    async fn the_system_knows_localhost() {
        let resolver = Resolver::new(
            &Address::Tcp(HostPort::new("localhost", 6379)),
            None,
            system(),
        );
        let place = next(&resolver, &Place::default()).await;
        assert!(matches!(place.target, Some(Target::Tcp(address)) if address.ip().is_loopback()));
    }
}

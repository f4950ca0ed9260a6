//! What rolecall does in another way than HAProxy, and why: one sentence or two for each, said once in a
//! report however many lines it concerns.

/// A thing that is changed on purpose; first what the reader may have to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Guessed,
    Readers,
    Lonely,
    Roles,
    Backups,
    Demotion,
    NobodyUp,
    Checks,
    Timing,
    Idle,
    Limits,
    Balance,
    Retries,
    Unchecked,
    SentinelSays,
    Stickiness,
    StartUp,
    Names,
    Stats,
    Logging,
    Process,
    Sockets,
    KeepAlive,
    Variables,
    Tls,
    Http,
}

impl Topic {
    /// What it is called, and what is different and why.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        let found = WORDS.iter().find(|(topic, _, _)| *topic == self);
        found.map_or(("", ""), |(_, title, why)| (title, why))
    }
}

/// What each is called, and what is different and why.
const WORDS: &[(Topic, &str, &str)] = &[
    (
        Topic::Guessed,
        "Access that the check does not tell",
        "any node that answered was taken. It is written as read-write, where everything goes to \
                 the primary: if it is only for reads, change access to read-only.",
    ),
    (
        Topic::Readers,
        "A read section whose check knows no role",
        "it took connections to any node that answered. Now replicas in sync serve, and the \
                 primary only where the listener has a fallback to it.",
    ),
    (
        Topic::Lonely,
        "A read listener without a fallback",
        "as in HAProxy it serves nobody while no replica is in sync. If the primary may serve reads then, \
         add fallback: with the read-write listener.",
    ),
    (
        Topic::Roles,
        "One primary is elected",
        "writes go to the node that is elected by evidence, never to every node that says \
                 role:master: one that merely comes back with its old role gets none.",
    ),
    (
        Topic::Backups,
        "backup in front of the primary",
        "the order of the list decides nothing, the election does: all nodes of a read-write \
                 listener are equal.",
    ),
    (
        Topic::Demotion,
        "Sessions on a demoted node",
        "they are always closed when another node is elected, so that no client keeps writing \
                 to a replica.",
    ),
    (
        Topic::NobodyUp,
        "While no node can serve",
        "clients wait up to park.timeout (10s) instead of being refused, then get an error line \
                 that libraries retry.",
    ),
    (
        Topic::Checks,
        "Health checks",
        "each node is checked once for all listeners, over one kept connection, by PING and INFO; \
                 it needs no script.",
    ),
    (
        Topic::Timing,
        "inter, fall, rise and timeout check",
        "not copied: a changed role and a refused connection count at once, only time-outs are \
                 counted. Checks run each 500ms, and each 50ms while anything is in motion (check: of the \
                 group).",
    ),
    (
        Topic::Idle,
        "Time-outs of idle connections",
        "not copied: they cut Pub/Sub, blocking commands and pools that rest. Dead peers are found \
                 by keep-alive. Where idle connections must go, write idle_timeout at the listener.",
    ),
    (
        Topic::Limits,
        "Limits and queues",
        "a limit is per listener (max_connections), and one client too many gets an error line \
                 instead of waiting in a queue. Nodes have no limit of their own.",
    ),
    (
        Topic::Balance,
        "balance",
        "reads go to the replica with the fewest open sessions by weight (leastconn); writes have \
                 one node to go to.",
    ),
    (
        Topic::Retries,
        "Retries and redispatch",
        "a dial that fails goes on to the next eligible node at once, and has the failed one \
                 checked.",
    ),
    (
        Topic::Unchecked,
        "A server without check",
        "HAProxy always takes it for up; here every node is checked, and serves nobody before its \
                 first complete check.",
    ),
    (
        Topic::SentinelSays,
        "Rules that ask Sentinel",
        "Sentinel is evidence in the election and an alarm clock (sentinel: of the group), not a \
                 condition: with all Sentinels away, roles alone still route.",
    ),
    (
        Topic::Stickiness,
        "Stick tables",
        "the elected primary stays the primary while it claims, for all clients alike; nothing is \
                 to be remembered per client.",
    ),
    (
        Topic::StartUp,
        "What a server is at the start, and when it returns",
        "a node is unknown until its first complete check and serves nobody before; it comes back \
                 at full weight.",
    ),
    (
        Topic::Names,
        "Host names",
        "they are looked up by the system's resolver, again at each dial and each 10s; the last \
                 good answer is kept, and of several addresses one that answers is used.",
    ),
    (
        Topic::Stats,
        "Stats page, stats socket, exporter",
        "admin.http has a status page, /metrics for Prometheus, /readyz and /livez; admin.socket \
                 serves `rolecall status` and commands.",
    ),
    (
        Topic::Logging,
        "Logging",
        "to standard output, one line per session and per change of role, with HAProxy's \
                 termination codes beside words.",
    ),
    (
        Topic::Process,
        "The process",
        "user, limits and start belong to the service manager (deploy/rolecall.service); there is \
                 one worker thread per core.",
    ),
    (
        Topic::Sockets,
        "Tuning of sockets and buffers",
        "not copied: there is nothing to tune for this traffic.",
    ),
    (Topic::KeepAlive, "Keep-alive", "always on, on both sides."),
    (
        Topic::Variables,
        "Variables",
        "rolecall fills in ${NAME} from its environment, also where HAProxy does not (outside double \
         quotes) and another program does before it starts. What setenv gives is written into addresses.",
    ),
    (
        Topic::Tls,
        "Defaults of TLS",
        "rolecall has no TLS yet, so there is nothing to set.",
    ),
    (
        Topic::Http,
        "Of HTTP only",
        "says nothing for Redis, which is no HTTP.",
    ),
];

/// What is not translated, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    Tls,
    AccessControl,
    Nodes,
    Routing,
    Sentinel,
    Server,
    Check,
    Other,
    Conditional,
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::{Topic, WORDS};

    #[test]
    fn every_topic_has_its_words() {
        // In the order of the enumeration, so that none is left out up to the last.
        for (index, (topic, title, why)) in WORDS.iter().enumerate() {
            assert_eq!(*topic as usize, index, "{title}");
            assert!(!title.is_empty() && why.ends_with('.'), "{title}");
        }
        assert_eq!(WORDS.len(), Topic::Http as usize + 1);
    }
}

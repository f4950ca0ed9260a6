//! The directives that need no thought of their own: what each is for, and what becomes of it.
//!
//! Those that say where traffic goes (`bind`, `server`, `use_backend`, `tcp-check`, ...) are not here.

use super::topic::{Gap, Topic};

/// What a directive comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Changed(Topic),
    /// Without a counterpart: what to do.
    Missing(Gap, &'static str),
    /// Says what rolecall does anyway.
    Always(&'static str),
}

use Meaning::{Always, Changed, Missing};

const FIREWALL: &str = "rolecall admits whoever can connect: filter by address in a firewall, or by ACL \
                        users in Redis";
const MAIL: &str = "rolecall sends no mail: let Prometheus alert (docs/operations.md)";
const EXTERNAL: &str = "rolecall runs no programs to check: it asks Redis itself";

/// Keywords of one or more words; the longest that fits counts.
const KNOWN: &[(&str, Meaning)] = &[
    // Proxies.
    ("mode tcp", Always("TCP proxy")),
    ("enabled", Always("enabled")),
    ("description", Always("description")),
    ("id", Always("id")),
    ("balance leastconn", Always("least connections")),
    ("balance", Changed(Topic::Balance)),
    ("hash-type", Changed(Topic::Balance)),
    ("hash-balance-factor", Changed(Topic::Balance)),
    ("retries", Changed(Topic::Retries)),
    ("retry-on", Changed(Topic::Retries)),
    ("option redispatch", Changed(Topic::Retries)),
    ("redispatch", Changed(Topic::Retries)),
    ("option allredisp", Changed(Topic::Retries)),
    ("timeout check", Changed(Topic::Timing)),
    ("timeout client", Changed(Topic::Idle)),
    ("timeout server", Changed(Topic::Idle)),
    ("timeout tunnel", Changed(Topic::Idle)),
    ("timeout client-fin", Changed(Topic::Idle)),
    ("timeout server-fin", Changed(Topic::Idle)),
    ("timeout client-hs", Changed(Topic::Idle)),
    ("timeout queue", Changed(Topic::NobodyUp)),
    ("timeout http-request", Changed(Topic::Http)),
    ("timeout http-keep-alive", Changed(Topic::Http)),
    ("timeout tarpit", Changed(Topic::Http)),
    ("clitimeout", Changed(Topic::Idle)),
    ("srvtimeout", Changed(Topic::Idle)),
    ("fullconn", Changed(Topic::Limits)),
    ("backlog", Changed(Topic::Limits)),
    (
        "rate-limit sessions",
        Missing(Gap::Other, "rolecall limits no rate of connections"),
    ),
    ("log", Changed(Topic::Logging)),
    ("log-format", Changed(Topic::Logging)),
    ("log-format-sd", Changed(Topic::Logging)),
    ("log-tag", Changed(Topic::Logging)),
    ("log-send-hostname", Changed(Topic::Logging)),
    ("error-log-format", Changed(Topic::Logging)),
    ("log-steps", Changed(Topic::Logging)),
    ("unique-id-format", Changed(Topic::Logging)),
    ("option tcplog", Changed(Topic::Logging)),
    ("option httplog", Changed(Topic::Logging)),
    ("option httpslog", Changed(Topic::Logging)),
    ("option dontlognull", Changed(Topic::Logging)),
    ("option dontlog-normal", Changed(Topic::Logging)),
    ("option log-health-checks", Changed(Topic::Logging)),
    ("option log-separate-errors", Changed(Topic::Logging)),
    ("option logasap", Changed(Topic::Logging)),
    ("option contstats", Changed(Topic::Stats)),
    ("option socket-stats", Changed(Topic::Stats)),
    ("option tcpka", Changed(Topic::KeepAlive)),
    ("option clitcpka", Changed(Topic::KeepAlive)),
    ("option srvtcpka", Changed(Topic::KeepAlive)),
    ("clitcpka-cnt", Changed(Topic::KeepAlive)),
    ("clitcpka-idle", Changed(Topic::KeepAlive)),
    ("clitcpka-intvl", Changed(Topic::KeepAlive)),
    ("srvtcpka-cnt", Changed(Topic::KeepAlive)),
    ("srvtcpka-idle", Changed(Topic::KeepAlive)),
    ("srvtcpka-intvl", Changed(Topic::KeepAlive)),
    ("option tcp-smart-accept", Changed(Topic::Sockets)),
    ("option tcp-smart-connect", Changed(Topic::Sockets)),
    ("option nolinger", Changed(Topic::Sockets)),
    ("option splice-auto", Changed(Topic::Sockets)),
    ("option splice-request", Changed(Topic::Sockets)),
    ("option splice-response", Changed(Topic::Sockets)),
    ("option independent-streams", Changed(Topic::Sockets)),
    ("option idle-close-on-response", Changed(Topic::Http)),
    ("option abortonclose", Changed(Topic::NobodyUp)),
    ("option persist", Changed(Topic::Stickiness)),
    ("option prefer-last-server", Changed(Topic::Stickiness)),
    ("option allbackups", Changed(Topic::Backups)),
    (
        "option transparent",
        Missing(
            Gap::Other,
            "rolecall connects to nodes that are configured only",
        ),
    ),
    ("persist", Changed(Topic::Stickiness)),
    ("force-persist", Changed(Topic::Stickiness)),
    ("ignore-persist", Changed(Topic::Stickiness)),
    ("stick", Changed(Topic::Stickiness)),
    ("stick-table", Changed(Topic::Stickiness)),
    ("cookie", Changed(Topic::Http)),
    ("appsession", Changed(Topic::Http)),
    (
        "source",
        Missing(
            Gap::Other,
            "rolecall dials from the address that the system chooses",
        ),
    ),
    ("email-alert", Missing(Gap::Other, MAIL)),
    ("external-check", Missing(Gap::Check, EXTERNAL)),
    ("load-server-state-from-file", Changed(Topic::StartUp)),
    ("server-state-file-name", Changed(Topic::StartUp)),
    (
        "tcp-request inspect-delay",
        Missing(Gap::AccessControl, FIREWALL),
    ),
    ("tcp-request", Missing(Gap::AccessControl, FIREWALL)),
    (
        "tcp-response",
        Missing(
            Gap::AccessControl,
            "rolecall does not look into what nodes answer",
        ),
    ),
    ("filter", Missing(Gap::Other, "rolecall has no filters")),
    (
        "dispatch",
        Missing(Gap::Nodes, "name the node with a server line"),
    ),
    ("quic-initial", Changed(Topic::Http)),
    ("declare capture", Changed(Topic::Http)),
    ("capture", Changed(Topic::Http)),
    ("compression", Changed(Topic::Http)),
    ("errorfile", Changed(Topic::Http)),
    ("errorfiles", Changed(Topic::Http)),
    ("errorloc", Changed(Topic::Http)),
    ("errorloc302", Changed(Topic::Http)),
    ("errorloc303", Changed(Topic::Http)),
    ("http-error", Changed(Topic::Http)),
    ("http-request", Changed(Topic::Http)),
    ("http-response", Changed(Topic::Http)),
    ("http-after-response", Changed(Topic::Http)),
    ("http-reuse", Changed(Topic::Http)),
    ("http-send-name-header", Changed(Topic::Http)),
    ("http-check", Changed(Topic::Checks)),
    ("max-keep-alive-queue", Changed(Topic::Http)),
    ("monitor-net", Changed(Topic::Stats)),
    ("monitor-uri", Changed(Topic::Stats)),
    ("monitor fail", Changed(Topic::Stats)),
    ("redirect", Changed(Topic::Http)),
    ("unique-id-header", Changed(Topic::Http)),
    ("option accept-invalid-http-request", Changed(Topic::Http)),
    ("option accept-invalid-http-response", Changed(Topic::Http)),
    (
        "option accept-unsafe-violations-in-http-request",
        Changed(Topic::Http),
    ),
    ("option checkcache", Changed(Topic::Http)),
    ("option disable-h2-upgrade", Changed(Topic::Http)),
    ("option forceclose", Changed(Topic::Http)),
    ("option forwardfor", Changed(Topic::Http)),
    ("option forwarded", Changed(Topic::Http)),
    ("option h1-case-adjust-bogus-client", Changed(Topic::Http)),
    ("option h1-case-adjust-bogus-server", Changed(Topic::Http)),
    ("option http-buffer-request", Changed(Topic::Http)),
    ("option http-ignore-probes", Changed(Topic::Http)),
    ("option http-keep-alive", Changed(Topic::Http)),
    ("option http-no-delay", Changed(Topic::Http)),
    ("option http-pretend-keepalive", Changed(Topic::Http)),
    ("option http-restrict-req-hdr-names", Changed(Topic::Http)),
    ("option http-server-close", Changed(Topic::Http)),
    ("option http-tunnel", Changed(Topic::Http)),
    ("option http-use-htx", Changed(Topic::Http)),
    ("option http-use-proxy-header", Changed(Topic::Http)),
    ("option httpclose", Changed(Topic::Http)),
    ("option originalto", Changed(Topic::Http)),
    ("stats", Changed(Topic::Stats)),
    // The process.
    ("daemon", Changed(Topic::Process)),
    ("master-worker", Changed(Topic::Process)),
    ("mworker-max-reloads", Changed(Topic::Process)),
    ("user", Changed(Topic::Process)),
    ("group", Changed(Topic::Process)),
    ("uid", Changed(Topic::Process)),
    ("gid", Changed(Topic::Process)),
    ("chroot", Changed(Topic::Process)),
    ("pidfile", Changed(Topic::Process)),
    ("nbproc", Changed(Topic::Process)),
    ("nbthread", Changed(Topic::Process)),
    ("thread-group", Changed(Topic::Process)),
    ("thread-groups", Changed(Topic::Process)),
    ("cpu-map", Changed(Topic::Process)),
    ("cpu-policy", Changed(Topic::Process)),
    ("cpu-set", Changed(Topic::Process)),
    ("numa-cpu-mapping", Changed(Topic::Process)),
    ("bind-process", Changed(Topic::Process)),
    ("ulimit-n", Changed(Topic::Process)),
    ("fd-hard-limit", Changed(Topic::Process)),
    ("strict-limits", Changed(Topic::Process)),
    ("hard-stop-after", Changed(Topic::Process)),
    ("grace", Changed(Topic::Process)),
    ("close-spread-time", Changed(Topic::Process)),
    ("node", Changed(Topic::Process)),
    ("localpeer", Changed(Topic::Process)),
    ("setenv", Changed(Topic::Variables)),
    ("presetenv", Changed(Topic::Variables)),
    ("resetenv", Changed(Topic::Process)),
    ("unsetenv", Changed(Topic::Process)),
    ("zero-warning", Changed(Topic::Process)),
    ("quiet", Changed(Topic::Process)),
    ("debug", Changed(Topic::Process)),
    ("set-dumpable", Changed(Topic::Process)),
    ("set-var", Changed(Topic::Process)),
    ("set-var-fmt", Changed(Topic::Process)),
    ("insecure-fork-wanted", Changed(Topic::Process)),
    ("insecure-setuid-wanted", Changed(Topic::Process)),
    ("expose-experimental-directives", Changed(Topic::Process)),
    ("expose-deprecated-directives", Changed(Topic::Process)),
    (
        "harden.reject-privileged-ports.tcp",
        Changed(Topic::Process),
    ),
    (
        "harden.reject-privileged-ports.quic",
        Changed(Topic::Process),
    ),
    ("busy-polling", Changed(Topic::Sockets)),
    ("noepoll", Changed(Topic::Sockets)),
    ("nopoll", Changed(Topic::Sockets)),
    ("nokqueue", Changed(Topic::Sockets)),
    ("nosplice", Changed(Topic::Sockets)),
    ("noreuseport", Changed(Topic::Sockets)),
    ("nogetaddrinfo", Changed(Topic::Names)),
    ("maxconnrate", Changed(Topic::Limits)),
    ("maxsessrate", Changed(Topic::Limits)),
    ("maxpipes", Changed(Topic::Limits)),
    ("maxcomprate", Changed(Topic::Http)),
    ("maxcompcpuusage", Changed(Topic::Http)),
    ("maxsslconn", Changed(Topic::Limits)),
    ("maxsslrate", Changed(Topic::Limits)),
    ("max-spread-checks", Changed(Topic::Timing)),
    ("spread-checks", Changed(Topic::Timing)),
    (
        "unix-bind",
        Missing(
            Gap::Other,
            "a Unix socket of rolecall belongs to its user; systemd's UMask= sets its mode",
        ),
    ),
    ("server-state-base", Changed(Topic::StartUp)),
    ("server-state-file", Changed(Topic::StartUp)),
    ("profiling.tasks", Changed(Topic::Stats)),
    ("profiling.memory", Changed(Topic::Stats)),
    ("lua-load", Missing(Gap::Other, "rolecall runs no Lua")),
    (
        "lua-load-per-thread",
        Missing(Gap::Other, "rolecall runs no Lua"),
    ),
    (
        "lua-prepend-path",
        Missing(Gap::Other, "rolecall runs no Lua"),
    ),
    ("h1-case-adjust", Changed(Topic::Http)),
    ("h1-case-adjust-file", Changed(Topic::Http)),
    (
        "h2-workaround-bogus-websocket-clients",
        Changed(Topic::Http),
    ),
    ("ca-base", Changed(Topic::Tls)),
    ("crt-base", Changed(Topic::Tls)),
    ("issuers-chain-path", Changed(Topic::Tls)),
];

/// Families of keywords that differ in their end.
const FAMILIES: &[(&str, Meaning)] = &[
    ("tune.", Changed(Topic::Sockets)),
    ("ssl-", Changed(Topic::Tls)),
    ("httpclient.", Changed(Topic::Http)),
    ("51degrees-", Changed(Topic::Http)),
    ("deviceatlas-", Changed(Topic::Http)),
    ("wurfl-", Changed(Topic::Http)),
    ("stats-file", Changed(Topic::Stats)),
];

/// The keyword, and what it comes to. `no` in front is for the caller to take off.
pub(super) fn meaning(words: &[&str]) -> Option<(String, Meaning)> {
    let longest = (1..=words.len().min(2)).rev().find_map(|count| {
        let keyword = words.get(..count)?.join(" ");
        let found = KNOWN.iter().find(|(known, _)| *known == keyword)?;
        Some((keyword, found.1))
    });
    longest.or_else(|| {
        let first = *words.first()?;
        let family = FAMILIES
            .iter()
            .find(|(start, _)| first.starts_with(start))?;
        Some((first.to_owned(), family.1))
    })
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, Meaning, meaning};
    use crate::import::topic::Topic;

    #[test]
    fn the_longest_keyword_counts_and_each_is_there_once() {
        let of = |words: &[&str]| meaning(words).map(|(keyword, _)| keyword);
        assert_eq!(of(&["option", "tcplog"]).as_deref(), Some("option tcplog"));
        assert_eq!(
            of(&["balance", "leastconn"]).as_deref(),
            Some("balance leastconn")
        );
        assert_eq!(of(&["balance", "source"]).as_deref(), Some("balance"));
        assert_eq!(of(&["option", "what"]), None);
        assert_eq!(of(&["tune.bufsize", "1"]).as_deref(), Some("tune.bufsize"));
        assert_eq!(of(&[]), None);
        assert_eq!(
            meaning(&["stats", "uri", "/"]).map(|(_, meaning)| meaning),
            Some(Meaning::Changed(Topic::Stats))
        );
        for (index, (keyword, _)) in KNOWN.iter().enumerate() {
            let again = KNOWN[..index].iter().any(|(other, _)| other == keyword);
            assert!(!again, "{keyword}");
        }
    }
}

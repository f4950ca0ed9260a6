//! Speaks for the lines that need no thought, and for what nobody spoke for.

use super::address::Target;
use super::condition::{self, Term};
use super::ledger::Ledger;
use super::payload::Command;
use super::place::Place;
use super::probe::Wish;
use super::proxy::{CheckKind, Proxy, positive};
use super::sections::{Directive, Document, Kind, Section};
use super::server::{self, Note};
use super::survey::Service;
use super::topic::{Gap, Topic};
use super::vocabulary::{self, Meaning};

/// The ledger, with words for what is told often.
pub(super) struct Told<'l> {
    pub(super) ledger: &'l mut Ledger,
}

impl Told<'_> {
    pub(super) fn translated(&mut self, place: Place, what: &str) {
        self.ledger.translated(place, what);
    }

    pub(super) fn gap(&mut self, place: Place, gap: Gap, sentence: &str) {
        self.ledger.gap(place, gap, sentence);
    }

    pub(super) fn sentinel_says(&mut self, place: Place, words: &str) {
        self.ledger.changed(place, Topic::SentinelSays, words);
    }

    pub(super) fn notes(&mut self, place: Place, notes: &[Note]) {
        for note in notes {
            match note {
                Note::Changed(topic, words) => self.ledger.changed(place, *topic, words),
                Note::Gap(gap, sentence) => self.ledger.gap(place, *gap, sentence),
            }
        }
    }
}

/// Everything that routing has not spoken for.
pub(super) fn rest(
    ledger: &mut Ledger,
    document: &Document,
    proxies: &[Proxy<'_>],
    services: &[Service],
) {
    let mut told = Told { ledger };
    for (proxy, service) in proxies.iter().zip(services) {
        match service {
            Service::Redis | Service::Sentinel => redis(&mut told, proxy, *service),
            Service::Stats => stats(&mut told, proxy.section),
            Service::Other => aside(&mut told, proxy.section),
        }
    }
    let used: Vec<Place> = proxies
        .iter()
        .zip(services)
        .filter(|(_, service)| matches!(service, Service::Redis | Service::Sentinel))
        .filter_map(|(proxy, _)| Some(proxy.defaults?.head.place))
        .collect();
    for section in &document.sections {
        match section.kind {
            Kind::Global => {
                told.ledger
                    .changed(section.head.place, Topic::Process, "global");
                section.body.iter().for_each(|line| known(&mut told, line));
            }
            Kind::Defaults if used.contains(&section.head.place) => {
                told.translated(section.head.place, "defaults");
                section.body.iter().for_each(|line| known(&mut told, line));
            }
            Kind::Resolvers => {
                for place in section.places() {
                    told.ledger.changed(place, Topic::Names, &section.title());
                }
            }
            Kind::Defaults | Kind::Other => aside(&mut told, section),
            Kind::Frontend | Kind::Backend | Kind::Listen => {}
        }
    }
    strays(&mut told, document);
}

fn aside(told: &mut Told<'_>, section: &Section) {
    for place in section.places() {
        told.ledger.aside(place, &section.title());
    }
}

fn stats(told: &mut Told<'_>, section: &Section) {
    for place in section.places() {
        told.ledger.changed(place, Topic::Stats, &section.title());
    }
}

fn strays(told: &mut Told<'_>, document: &Document) {
    for line in &document.stray {
        let sentence = format!(
            "`{}` stands before any section: HAProxy refuses it too",
            line.keyword()
        );
        told.gap(line.place, Gap::Unknown, &sentence);
    }
    for line in &document.conditional {
        let sentence = if line.keyword().starts_with('.') {
            "a condition on the machine that HAProxy runs on: the first branch was read".to_owned()
        } else {
            "in a branch of a condition that was not read: see whether it is the one that counts"
                .to_owned()
        };
        told.gap(line.place, Gap::Conditional, &sentence);
    }
}

/// The lines of a section of Redis or Sentinels.
fn redis(told: &mut Told<'_>, proxy: &Proxy<'_>, service: Service) {
    let section = proxy.section;
    if leads_nowhere(told, proxy) {
        let sentence = format!(
            "`{}` has no server: its address is not opened",
            section.title()
        );
        told.gap(section.head.place, Gap::Routing, &sentence);
    } else if !told.ledger.knows(section.head.place) {
        told.translated(section.head.place, &section.title());
    }
    for server in &proxy.servers {
        let target = server.target.as_ref().ok();
        if service == Service::Redis && target.and_then(Target::port) == Some("26379") {
            let sentence =
                "port 26379 is a Sentinel's as a rule: if it is one, take it out of the nodes";
            told.gap(server.place, Gap::Nodes, sentence);
        }
    }
    check(told, proxy, service);
    for line in proxy.lines_of("default-server") {
        told.notes(line.place, &server::default_notes(line));
        if !told.ledger.knows(line.place) {
            told.translated(line.place, "default-server");
        }
    }
    for line in &section.body {
        known(told, line);
    }
}

/// Whether a section takes connections for nobody, so that nothing is written of it.
fn leads_nowhere(told: &Told<'_>, proxy: &Proxy<'_>) -> bool {
    let written = |place: &Place| told.ledger.knows(*place);
    proxy.section.kind == Kind::Listen
        && proxy.servers.is_empty()
        && !proxy.lines_of("bind").any(|line| written(&line.place))
}

/// A line by its keyword, where nobody has spoken for it yet.
fn known(told: &mut Told<'_>, line: &Directive) {
    let place = line.place;
    if line.unclosed {
        let sentence = format!(
            "`{}`: a quote is not closed: HAProxy refuses the line",
            line.keyword()
        );
        return told.gap(place, Gap::Unknown, &sentence);
    }
    if told.ledger.knows(place) {
        return;
    }
    let (words, on) = positive(line);
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let no = if on { "" } else { "no " };
    match vocabulary::meaning(&texts) {
        Some((keyword, Meaning::Always(_))) => told.translated(place, &keyword),
        Some((keyword, Meaning::Changed(topic))) => {
            let value = value_of(&keyword, &texts);
            told.ledger
                .changed(place, topic, &format!("{no}{keyword}{value}"));
        }
        Some((keyword, Meaning::Missing(gap, what))) => {
            told.gap(place, gap, &format!("`{no}{keyword}`: {what}"));
        }
        None => by_context(told, line, &texts),
    }
}

/// The value of a keyword that is worth to be shown: times, and words that hold no secret.
fn value_of(keyword: &str, texts: &[&str]) -> String {
    let shows = keyword.starts_with("timeout ")
        || matches!(
            keyword,
            "balance" | "retries" | "nbthread" | "nbproc" | "fullconn" | "hash-type"
        );
    let value = texts.get(keyword.split(' ').count());
    match value {
        Some(value) if shows => format!(" {value}"),
        _ => String::new(),
    }
}

/// Keywords that are understood in some places only, and those that nobody knows.
fn by_context(told: &mut Told<'_>, line: &Directive, texts: &[&str]) {
    let place = line.place;
    match texts {
        ["option", option, ..] if is_check(option) => {
            told.ledger
                .changed(place, Topic::Checks, &format!("option {option}"));
        }
        ["tcp-check", ..] => {
            told.ledger.changed(place, Topic::Checks, "tcp-check");
        }
        ["maxconn", ..] => told
            .ledger
            .changed(place, Topic::Limits, "maxconn of the process"),
        ["timeout", "connect", ..] | ["contimeout", ..] => {
            told.translated(place, "connect_timeout");
        }
        ["mode", ..] => told.ledger.changed(place, Topic::Http, "mode http"),
        ["acl", ..] if condition::acl(line).term != Term::Other => {
            told.translated(place, "where clients go");
        }
        ["acl", ..] => told.gap(
            place,
            Gap::AccessControl,
            "`acl`: rolecall decides by role and by nothing else",
        ),
        ["use-server", ..] => told.gap(
            place,
            Gap::Routing,
            "`use-server`: rolecall chooses among the nodes itself, by role",
        ),
        [
            "bind" | "server" | "server-template" | "use_backend" | "default_backend",
            ..,
        ] => {
            let sentence = format!(
                "`{}` of a section from which nothing is written",
                line.keyword()
            );
            told.gap(place, Gap::Routing, &sentence);
        }
        ["default-server", ..] => {
            told.notes(place, &server::default_notes(line));
            told.translated(place, "default-server");
        }
        ["disabled", ..] => told.gap(place, Gap::Routing, "`disabled`: the section is left out"),
        _ => {
            let keyword: String = line.keyword().chars().take(60).collect();
            let sentence = format!("`{keyword}` is not known here, and was left out");
            told.gap(place, Gap::Unknown, &sentence);
        }
    }
}

fn is_check(option: &str) -> bool {
    option.ends_with("-check")
        || matches!(
            option,
            "httpchk" | "smtpchk" | "ssl-hello-chk" | "lb-agent-chk"
        )
}

/// What a section's check asks, and the `option` that chose it.
fn check(told: &mut Told<'_>, proxy: &Proxy<'_>, service: Service) {
    if let Some(option) = &proxy.check_line {
        let words = format!("option {}", option.value);
        match proxy.check {
            CheckKind::Http => told.gap(
                option.place,
                Gap::Check,
                "`option httpchk`: what the program behind that URL decides is not asked; rolecall asks \
                 Redis itself for its role",
            ),
            _ => told.ledger.changed(option.place, Topic::Checks, &words),
        }
    }
    for (place, words) in &proxy.script.connects {
        let tls = words.iter().any(|word| word.is("ssl"));
        if tls {
            told.gap(
                *place,
                Gap::Tls,
                "`tcp-check connect ssl`: rolecall has no TLS yet: the nodes must have a plain port for \
                 rolecall, or a TLS tunnel beside them",
            );
        } else {
            told.ledger
                .changed(*place, Topic::Checks, "tcp-check connect");
        }
    }
    for (place, command) in &proxy.script.commands {
        self::command(told, *place, command);
    }
    let nowhere = leads_nowhere(told, proxy);
    for (place, wish) in &proxy.script.wishes {
        if nowhere {
            told.ledger.changed(*place, Topic::Checks, "expect a role");
        } else {
            self::wish(told, *place, wish, service);
        }
    }
    for place in &proxy.script.silent {
        told.ledger.changed(
            *place,
            Topic::Checks,
            "tcp-check comment, set-var, parts of a send",
        );
    }
    for place in &proxy.script.unknown {
        told.gap(
            *place,
            Gap::Check,
            "`tcp-check`: a form that is not known here",
        );
    }
}

fn command(told: &mut Told<'_>, place: Place, command: &Command) {
    let words = match command {
        Command::Ping => "send PING",
        Command::Info => "send INFO",
        Command::Role => "send ROLE",
        Command::Quit => "send QUIT",
        Command::Sentinel(_) => "send SENTINEL",
        // The group spoke for it, or says that it found no use for it.
        Command::Auth(_) if told.ledger.knows(place) => return,
        Command::Auth(_) => {
            let sentence = "`AUTH`: this password belongs to no group that is written";
            return told.gap(place, Gap::Check, sentence);
        }
        Command::Other(name) => {
            let sentence = format!("`tcp-check send` of {name}: rolecall sends PING and INFO only");
            return told.gap(place, Gap::Check, &sentence);
        }
    };
    told.ledger.changed(place, Topic::Checks, words);
}

fn wish(told: &mut Told<'_>, place: Place, wish: &Wish, service: Service) {
    let role = |told: &mut Told<'_>, what: &str| told.translated(place, what);
    match wish {
        Wish::Primary => role(told, "access: read-write"),
        Wish::Replica | Wish::LinkUp | Wish::NotSyncing => role(told, "access: read-only"),
        Wish::NotLoading => role(told, "nodes that load serve nobody"),
        Wish::Answer => told.ledger.changed(place, Topic::Checks, "expect +PONG, +OK"),
        Wish::Address(_) if service == Service::Sentinel || told.ledger.knows(place) => {
            told.sentinel_says(place, "expect the address of a node");
        }
        Wish::Address(_) => told.sentinel_says(place, "expect the address of the primary"),
        Wish::AnyRole => told.ledger.changed(place, Topic::Checks, "expect any role"),
        Wish::HasReplicas => told.gap(
            place,
            Gap::Check,
            "`connected_slaves`: rolecall does not ask a primary for replicas; a claim that nothing \
             supports waits for claim_hold (6s), and min-replicas-to-write in Redis refuses writes",
        ),
        Wish::ActiveReplica => told.gap(
            place,
            Gap::Check,
            "`role:active-replica`: of KeyDB's active replicas none is the one primary; they are \
             served as replicas in sync, through which writes go as well (access: read-only)",
        ),
        Wish::Unknown => told.gap(
            place,
            Gap::Check,
            "`expect`: a condition that rolecall does not know; it asks role, link, sync, loading and lag",
        ),
    }
}

/// Whatever is left: nothing is dropped in silence.
pub(super) fn sweep(ledger: &mut Ledger, document: &Document) {
    let of_sections = document
        .sections
        .iter()
        .flat_map(|section| std::iter::once(&section.head).chain(&section.body));
    let all = of_sections
        .chain(&document.stray)
        .chain(&document.conditional);
    for line in all {
        if !ledger.knows(line.place) {
            let keyword: String = line.keyword().chars().take(60).collect();
            let sentence = format!("`{keyword}` was left out: nothing here uses it");
            ledger.gap(line.place, Gap::Unknown, &sentence);
        }
    }
}

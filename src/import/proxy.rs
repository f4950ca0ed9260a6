//! A `frontend`, `backend` or `listen` with all that it means for routing, its `defaults` filled in.
//! Lines that say nothing for routing are left for [`super::account`].

use std::time::Duration;

use super::condition::{self, Acl, Condition};
use super::doors::{self, BindLine};
use super::place::Place;
use super::probe::{self, Script};
use super::sections::{Directive, Document, Kind, Section};
use super::server::{self, Server};
use super::values;

/// How a section checks its servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckKind {
    /// Connecting is enough.
    Connect,
    Tcp,
    /// `option redis-check`: PING.
    Redis,
    Http,
    /// `MySQL`, SMTP and so on.
    OtherService,
}

/// A rule that chooses a section.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) place: Place,
    pub(super) target: String,
    pub(super) condition: Condition,
}

/// A value and the line that it comes from.
#[derive(Clone, Debug)]
pub(super) struct Cited<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One proxy section.
#[derive(Debug)]
pub(super) struct Proxy<'d> {
    pub(super) section: &'d Section,
    pub(super) defaults: Option<&'d Section>,
    pub(super) name: String,
    pub(super) http: bool,
    /// `disabled`: HAProxy does not start it.
    pub(super) disabled: Option<Place>,
    pub(super) binds: Vec<BindLine>,
    pub(super) servers: Vec<Server>,
    pub(super) check: CheckKind,
    /// The `option` line that chose the check.
    pub(super) check_line: Option<Cited<String>>,
    pub(super) script: Script,
    pub(super) routes: Vec<Route>,
    pub(super) default_backend: Option<Cited<String>>,
    pub(super) server_rules: Vec<Route>,
    pub(super) max_connections: Option<Cited<u64>>,
    pub(super) connect_timeout: Option<Cited<Duration>>,
}

/// Reads all proxy sections, in file order.
pub(super) fn read_all(document: &Document) -> Vec<Proxy<'_>> {
    let mut proxies = Vec::new();
    let mut last = None;
    for section in &document.sections {
        match section.kind {
            Kind::Defaults => last = Some(section),
            Kind::Frontend | Kind::Backend | Kind::Listen => {
                proxies.push(read(section, named_defaults(document, section).or(last)));
            }
            _ => {}
        }
    }
    lend_ports(&mut proxies);
    proxies
}

/// A server without a port takes that to which clients connect, also when a frontend sends them.
fn lend_ports(proxies: &mut [Proxy<'_>]) {
    let lent: Vec<(String, String)> = proxies
        .iter()
        .filter_map(|front| Some((front, front.only_port()?)))
        .flat_map(|(front, port)| {
            let default = front.default_backend.iter().map(|name| &name.value);
            let targets = front
                .routes
                .iter()
                .map(|route| &route.target)
                .chain(default);
            let lent = targets.map(|target| (target.clone(), port.clone()));
            lent.collect::<Vec<_>>()
        })
        .collect();
    for proxy in proxies.iter_mut().filter(|proxy| proxy.binds.is_empty()) {
        let mut ports: Vec<&str> = lent
            .iter()
            .filter(|(target, _)| *target == proxy.name)
            .map(|(_, port)| port.as_str())
            .collect();
        ports.dedup();
        if let [port] = ports.as_slice() {
            proxy.read_servers(Some(port));
        }
    }
}

/// `frontend f from d`.
fn named_defaults<'d>(document: &'d Document, section: &Section) -> Option<&'d Section> {
    let words = &section.head.words;
    let from = words.iter().position(|word| word.is("from"))?;
    let wanted = section.head.word(from + 1);
    document
        .sections
        .iter()
        .find(|section| section.kind == Kind::Defaults && section.name() == wanted)
}

fn read<'d>(section: &'d Section, defaults: Option<&'d Section>) -> Proxy<'d> {
    let inherited: &[Directive] = defaults.map_or(&[], |section| &section.body);
    let mut proxy = Proxy {
        section,
        defaults,
        name: section.name().to_owned(),
        http: false,
        disabled: None,
        binds: Vec::new(),
        servers: Vec::new(),
        check: CheckKind::Connect,
        check_line: None,
        script: Script::default(),
        routes: Vec::new(),
        default_backend: None,
        server_rules: Vec::new(),
        max_connections: None,
        connect_timeout: None,
    };
    if doors::looks_like_address(section.head.word(2)) {
        proxy.binds.extend(doors::read(&section.head, 2));
    }
    for line in inherited.iter().chain(&section.body) {
        proxy.setting(line);
    }
    proxy.read_script(inherited);
    proxy.read_binds();
    let port = proxy.only_port();
    proxy.read_servers(port.as_deref());
    proxy.read_rules();
    proxy
}

impl<'d> Proxy<'d> {
    fn setting(&mut self, line: &Directive) {
        let (words, on) = positive(line);
        let word = |index: usize| words.get(index).map_or("", |word| word.text.as_str());
        let place = line.place;
        match (word(0), word(1)) {
            ("mode", mode) => self.http = mode == "http",
            ("disabled", _) => self.disabled = Some(place),
            ("enabled", _) => self.disabled = None,
            ("maxconn", number) => {
                let count = values::count(number).filter(|number| *number > 0);
                self.max_connections = count.map(|value| Cited { value, place });
            }
            ("timeout", "connect") => self.connect_time(word(2), place),
            ("contimeout", time) => self.connect_time(time, place),
            ("default_backend", name) if self.section.kind != Kind::Backend => {
                let value = name.to_owned();
                self.default_backend = Some(Cited { value, place });
            }
            ("option", option) => {
                let Some(kind) = check_kind(option) else {
                    return;
                };
                let value = option.to_owned();
                self.check = if on { kind } else { CheckKind::Connect };
                self.check_line = on.then_some(Cited { value, place });
            }
            _ => {}
        }
    }

    fn connect_time(&mut self, text: &str, place: Place) {
        let time = values::time(text).filter(|time| !time.is_zero());
        self.connect_timeout = time.map(|value| Cited { value, place });
    }

    /// A section's own `tcp-check` lines replace those of its defaults.
    fn read_script(&mut self, inherited: &[Directive]) {
        let lines = |body: &'_ [Directive]| -> Vec<Directive> {
            let found = body.iter().filter(|line| line.keyword() == "tcp-check");
            found.cloned().collect()
        };
        let own = lines(&self.section.body);
        let lines = if own.is_empty() {
            lines(inherited)
        } else {
            own
        };
        self.script = probe::read(&lines.iter().collect::<Vec<_>>());
    }

    fn read_binds(&mut self) {
        let lines = self.section.body.iter();
        let binds = lines.filter(|line| line.keyword() == "bind");
        self.binds
            .extend(binds.filter_map(|line| doors::read(line, 1)));
    }

    fn read_servers(&mut self, port: Option<&str>) {
        let inherited: &[Directive] = self.defaults.map_or(&[], |section| &section.body);
        let mut defaults = server::Defaults::default();
        self.servers.clear();
        for line in inherited.iter().chain(&self.section.body) {
            if line.keyword() == "default-server" {
                defaults.add(line);
            }
        }
        for line in &self.section.body {
            if matches!(line.keyword(), "server" | "server-template") {
                let server = server::read(line, &defaults, port);
                self.servers.extend(server);
            }
        }
    }

    /// The port that its clients connect to, if it is one.
    fn only_port(&self) -> Option<String> {
        let mut ports: Vec<&str> = self
            .binds
            .iter()
            .flat_map(|bind| bind.doors.iter().flatten())
            .filter_map(|door| door.port())
            .collect();
        ports.dedup();
        match ports.as_slice() {
            [port] => Some((*port).to_owned()),
            _ => None,
        }
    }

    fn read_rules(&mut self) {
        let section: &'d Section = self.section;
        let lines = || section.body.iter();
        let acls: Vec<Acl> = lines()
            .filter(|line| line.keyword() == "acl")
            .map(condition::acl)
            .collect();
        let rule = |line: &Directive| Route {
            place: line.place,
            target: line.word(1).to_owned(),
            condition: condition::condition(line.from(2), &acls),
        };
        self.routes = lines()
            .filter(|line| line.keyword() == "use_backend")
            .map(rule)
            .collect();
        self.server_rules = lines()
            .filter(|line| line.keyword() == "use-server")
            .map(rule)
            .collect();
    }

    /// All lines that it is made of, its own and those that it inherits.
    pub(super) fn lines(&self) -> impl Iterator<Item = &'d Directive> {
        let inherited: &'d [Directive] = self.defaults.map_or(&[], |section| &section.body);
        self.section.body.iter().chain(inherited)
    }

    /// Every line that starts with this keyword.
    pub(super) fn lines_of(&self, keyword: &'static str) -> impl Iterator<Item = &'d Directive> {
        self.lines().filter(move |line| line.keyword() == keyword)
    }

    /// Whether it has servers of its own.
    pub(super) fn serves(&self) -> bool {
        !self.servers.is_empty()
    }

    /// Whether clients come in here.
    pub(super) fn listens(&self) -> bool {
        self.section.kind != Kind::Backend && !self.binds.is_empty()
    }
}

/// The words without a `no` in front, and whether there was none.
pub(super) fn positive(line: &Directive) -> (&[super::lexer::Word], bool) {
    match line.keyword() {
        "no" => (line.from(1), false),
        "default" => (line.from(1), true),
        _ => (&line.words, true),
    }
}

fn check_kind(option: &str) -> Option<CheckKind> {
    Some(match option {
        "tcp-check" => CheckKind::Tcp,
        "redis-check" => CheckKind::Redis,
        "httpchk" => CheckKind::Http,
        "mysql-check" | "pgsql-check" | "smtpchk" | "ldap-check" | "spop-check"
        | "ssl-hello-chk" | "external-check" | "lb-agent-chk" => CheckKind::OtherService,
        _ => return None,
    })
}

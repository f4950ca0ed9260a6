//! `rolecall import`: configurations as they are met in the field, and what becomes of them.
//!
//! `tests/import` holds each as NAME.cfg with NAME.yaml, what is to come of it, byte for byte.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use rolecall::config;
use rolecall::import::{Fate, Import, NotWritten, Place, Source, import};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every configuration that is there, `config/haproxy.cfg` first.
fn all() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("tests/import")).expect("tests/import");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "cfg"))
        .collect();
    files.sort();
    files.insert(0, root().join("config/haproxy.cfg"));
    assert!(files.len() >= 10, "{files:?}");
    files
}

fn source(text: &str) -> Source {
    Source {
        name: "haproxy.cfg".to_owned(),
        text: text.to_owned(),
    }
}

fn imported(text: &str) -> Import {
    import(&[source(text)])
}

fn yaml_of(import: &Import) -> &str {
    match &import.yaml {
        Ok(yaml) => yaml,
        Err(error) => panic!("{error}\n{}", import.report),
    }
}

/// Lines that hold more than a comment.
fn directives(text: &str) -> BTreeSet<usize> {
    let holds = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    };
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| holds(line))
        .map(|(index, _)| index + 1)
        .collect()
}

#[test]
fn each_configuration_becomes_what_stands_beside_it() {
    for path in all().into_iter().skip(1) {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let import = import(&[Source {
            name,
            text: text_of(&path),
        }]);
        let expected = path.with_extension("yaml");
        let yaml = yaml_of(&import);
        assert!(
            yaml == text_of(&expected),
            "{} would be\n{yaml}\n{}",
            expected.display(),
            import.report
        );
    }
}

/// Without comments, blank lines and what is between a value and its comment.
fn bare(text: &str) -> Vec<String> {
    let without = |line: &str| {
        let line = if line.trim_start().starts_with('#') {
            ""
        } else {
            line.split("   #").next().unwrap_or(line)
        };
        line.trim_end().to_owned()
    };
    text.lines()
        .map(without)
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn the_configuration_that_rolecall_replaces_becomes_the_one_that_it_ships() {
    let import = imported(&text_of(&root().join("config/haproxy.cfg")));
    let shipped = text_of(&root().join("config/rolecall.yaml"));
    let shipped: Vec<String> = bare(&shipped)
        .iter()
        .map(|line| {
            line.split(" #")
                .next()
                .unwrap_or(line)
                .trim_end()
                .to_owned()
        })
        .collect();
    assert_eq!(bare(yaml_of(&import)), shipped, "{}", import.report);
    let gaps = import
        .fates
        .values()
        .filter(|fate| **fate == Fate::NotTranslated);
    assert_eq!(gaps.count(), 0, "{}", import.report);
}

#[test]
fn every_line_of_every_configuration_has_its_account() {
    for path in all() {
        let text = text_of(&path);
        let import = imported(&text);
        let told: BTreeSet<usize> = import.fates.keys().map(|place| place.line).collect();
        assert_eq!(told, directives(&text), "{}", path.display());
        let total = format!("{} lines", told.len());
        assert!(import.report.contains(&total), "{}", import.report);
    }
}

#[test]
fn every_line_of_yaml_says_where_it_comes_from() {
    for path in all() {
        let text = text_of(&path);
        let import = imported(&text);
        for line in yaml_of(&import).lines() {
            let structure = line.trim_end().ends_with(':') && !line.contains('#');
            let cited = line.split_once("   # ");
            assert!(
                line.is_empty() || line.starts_with('#') || structure || cited.is_some(),
                "{}: {line}",
                path.display()
            );
        }
    }
}

/// Whether the report cites a line, by itself or in a run.
fn cites(report: &str, line: usize) -> bool {
    let flat = report.split_whitespace().collect::<Vec<_>>().join(" ");
    let numbers = flat.split("haproxy.cfg:").skip(1).flat_map(|cited| {
        let end = cited
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | ',' | ' '))
            .unwrap_or(cited.len());
        cited[..end]
            .split(',')
            .map(str::trim)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    numbers.into_iter().any(|run| {
        let (first, last) = run.split_once('-').unwrap_or((&run, &run));
        match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&line),
            _ => false,
        }
    })
}

#[test]
fn an_unknown_directive_is_told_wherever_it_stands() {
    for path in all() {
        let text = text_of(&path);
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..=lines.len() {
            let mut with = lines.clone();
            with.insert(at, "    frobnicate 17");
            let import = imported(&with.join("\n"));
            let place = Place {
                file: 0,
                line: at + 1,
            };
            let fate = import.fates.get(&place).copied();
            let aside = fate == Some(Fate::Aside) || fate == Some(Fate::Changed);
            assert!(
                fate == Some(Fate::NotTranslated) || aside,
                "{}:{} {fate:?}",
                path.display(),
                at + 1
            );
            assert!(
                cites(&import.report, at + 1),
                "{}:{}\n{}",
                path.display(),
                at + 1,
                import.report
            );
        }
    }
}

#[test]
fn an_unknown_directive_of_a_redis_section_is_not_translated() {
    let text = text_of(&root().join("tests/import/frontends.cfg"));
    for section in [
        "frontend ft_redis_master",
        "backend bk_redis_slave",
        "defaults REDIS",
        "global",
    ] {
        let with = text.replace(
            &format!("{section}\n"),
            &format!("{section}\n\tfrobnicate\n"),
        );
        assert_ne!(with, text, "{section}");
        let import = imported(&with);
        let line = with
            .lines()
            .position(|line| line == "\tfrobnicate")
            .expect("it")
            + 1;
        let place = Place { file: 0, line };
        assert_eq!(
            import.fates.get(&place),
            Some(&Fate::NotTranslated),
            "{section}"
        );
        assert!(import.report.contains("`frobnicate`"), "{}", import.report);
    }
}

#[test]
fn no_password_is_copied_or_shown() {
    let secrets = [
        "s3cret-of-redis",
        "first-password",
        "second-password",
        "$6$not.shown",
    ];
    let mut met = 0;
    for path in all() {
        let text = text_of(&path);
        met += secrets
            .iter()
            .filter(|secret| text.contains(**secret))
            .count();
        let import = imported(&text);
        for secret in secrets {
            assert!(!import.report.contains(secret), "{}", import.report);
            assert!(!yaml_of(&import).contains(secret), "{}", path.display());
        }
    }
    assert_eq!(met, secrets.len());
    let import = imported(&text_of(&root().join("tests/import/frontends.cfg")));
    assert!(yaml_of(&import).contains("auth: { password: \"${REDIS_PASSWORD}\" }"));
    assert!(
        import
            .report
            .contains("REDIS_PASSWORD: the password on haproxy.cfg:24, 42"),
        "{}",
        import.report
    );
}

#[test]
fn what_comes_out_is_valid_for_the_configuration_itself() {
    for path in all() {
        let import = imported(&text_of(&path));
        let env = |name: &str| match name {
            "REDIS_PORT" => Some("7777".to_owned()),
            "LISTEN" | "REDIS_A" => Some("127.0.0.9".to_owned()),
            _ => Some("x".to_owned()),
        };
        let no_file = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        let parsed = config::parse(yaml_of(&import), "x.yaml", &env, &no_file);
        if let Err(problems) = parsed {
            panic!("{}: {problems}", path.display());
        }
    }
}

/// A listener with one server and this AUTH.
fn with_auth(name: &str, port: u16, auth: &str) -> String {
    format!(
        "listen {name}\n bind *:{port}\n bind :::{port} v4v6\n option tcp-check\n \
         tcp-check send {auth}\n tcp-check expect string role:master\n server a 10.0.0.1:{port} check\n"
    )
}

#[test]
fn each_password_gets_a_variable_that_nothing_else_has() {
    let text = with_auth("one", 6001, "\"AUTH ${REDIS_PASSWORD}\\r\\n\"")
        + &with_auth("two", 6002, "AUTH\\ plain\\r\\n")
        + &with_auth("three", 6003, "AUTH\\ other\\r\\n")
        + &with_auth("four", 6004, "AUTH\\ plain\\r\\n");
    let import = imported(&text);
    let variables: Vec<&str> = yaml_of(&import)
        .lines()
        .filter_map(|line| line.split_once("password: \"${")?.1.split('}').next())
        .collect();
    let expected = [
        "REDIS_PASSWORD",
        "REDIS_PASSWORD_2",
        "REDIS_PASSWORD_THREE",
        "REDIS_PASSWORD_2",
    ];
    assert_eq!(variables, expected, "{}", import.report);
}

#[test]
fn an_address_that_one_section_opens_twice_is_opened_once() {
    let import = imported(&with_auth("redis", 6379, "PING\\r\\n"));
    let yaml = yaml_of(&import);
    assert!(
        yaml.contains("bind: [\"0.0.0.0:6379\", \"[::]:6379\"]"),
        "{yaml}"
    );
    assert!(
        !import.report.contains("NOT TRANSLATED"),
        "{}",
        import.report
    );
}

#[test]
fn a_template_is_refused_at_its_first_line() {
    for line in [
        "    bind *:{{ redis_port }}",
        "{% for host in groups['redis'] %}",
        "  {{- range $i := until 3 }}",
        "    server r <%= @ip %>:6379 check",
    ] {
        let import = imported(&format!(
            "global\n# {{{{ comment }}}}\nlisten redis\n{line}\n"
        ));
        let Err(NotWritten::Template(told)) = &import.yaml else {
            panic!("{line}: {:?}", import.yaml);
        };
        assert!(told.starts_with("haproxy.cfg:4: "), "{told}");
    }
}

#[test]
fn nothing_is_written_from_nothing() {
    for (text, says) in [
        ("", "no configuration of HAProxy"),
        (
            "apiVersion: v1\nkind: ConfigMap\n",
            "no configuration of HAProxy",
        ),
        (
            "listen web\n bind *:80\n mode http\n server a 10.0.0.1:80\n",
            "counts as Redis",
        ),
        (
            "backend redis\n server a 10.0.0.1:6379\n",
            "no listener sends clients there",
        ),
        (
            "listen redis\n bind redis-vip:6379\n server a 10.0.0.1:6379\n",
            "bind redis-vip:6379: the address is a host name",
        ),
        (
            "listen redis\n bind *:6379\n server a 10.0.0.1:6379 disabled\n",
            "server a 10.0.0.1:6379 is disabled",
        ),
    ] {
        let Err(NotWritten::Missing(told)) = imported(text).yaml else {
            panic!("{text}: written");
        };
        assert!(told.contains(says), "{text}: {told}");
    }
}

#[test]
fn line_ends_of_windows_change_nothing() {
    for path in all() {
        let text = text_of(&path);
        let windows = imported(&text.replace('\n', "\r\n"));
        let unix = imported(&text);
        assert_eq!(yaml_of(&windows), yaml_of(&unix), "{}", path.display());
        assert_eq!(windows.report, unix.report);
    }
}

#[test]
fn tls_is_told_before_everything_else() {
    let import = imported(&text_of(&root().join("tests/import/quirks.cfg")));
    let (_, gaps) = import.report.split_once("NOT TRANSLATED").expect("gaps");
    let first = gaps.lines().nth(1).expect("a gap");
    assert!(first.contains("ssl"), "{gaps}");
    for word in [
        "send-proxy",
        "accept-proxy",
        "agent-check",
        "interface eth0",
        "src",
    ] {
        assert!(gaps.contains(word) || word == "src", "{word}: {gaps}");
    }
}

// The command itself.

fn rolecall(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rolecall"))
        .arg("import")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may have ended without reading.
    let _closed = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SMALL: &str = "listen redis\n bind 127.0.0.1:6379\n tcp-check expect string role:master\n \
                     option tcp-check\n server a 10.0.0.1:6379 check\n";

#[test]
fn the_configuration_goes_to_standard_output_and_the_report_beside_it() {
    let output = rolecall(&["-"], SMALL);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    assert_eq!(rolecall(&["-", "-o", "-"], SMALL).stdout, output.stdout);
    let (yaml, report) = (said(&output.stdout), said(&output.stderr));
    assert!(
        yaml.contains("a: 10.0.0.1:6379") && yaml.contains("# stdin:5"),
        "{yaml}"
    );
    assert!(report.starts_with("stdin: 5 lines"), "{report}");
}

#[test]
fn a_file_is_not_overwritten_unless_forced() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rolecall.yaml");
    let file = file.to_str().expect("UTF-8");
    let output = rolecall(&["-", "-o", file], SMALL);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    assert!(said(&output.stdout).contains("TRANSLATED"));
    let first = text_of(Path::new(file));
    let other = SMALL.replace("10.0.0.1", "10.0.0.2");
    let output = rolecall(&["-", "-o", file], &other);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output.stderr).contains("is there already"),
        "{}",
        said(&output.stderr)
    );
    assert_eq!(text_of(Path::new(file)), first);
    let output = rolecall(&["-", "-o", file, "--force"], &other);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text_of(Path::new(file)),
        first.replace("10.0.0.1", "10.0.0.2")
    );
    let check = Command::new(env!("CARGO_BIN_EXE_rolecall"))
        .args(["check", "-c", file])
        .output()
        .expect("check");
    assert_eq!(check.status.code(), Some(0), "{}", said(&check.stderr));
}

#[test]
fn several_files_and_folders_are_read_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("write");
        path.to_str().expect("UTF-8").to_owned()
    };
    let main = write("haproxy.cfg", "defaults\n mode tcp\n timeout connect 3s\n");
    write(
        "conf.d/20-b.cfg",
        "backend b\n option redis-check\n server n 10.0.0.1:6379 check\n",
    );
    write(
        "conf.d/10-a.cfg",
        "frontend redis-rw\n bind 127.0.0.1:6379\n default_backend b\n",
    );
    write("conf.d/notes.txt", "nothing\n");
    let folder = folder.path().join("conf.d");
    let output = rolecall(&[&main, folder.to_str().expect("UTF-8")], "");
    let yaml = said(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    for cited in [
        "# 20-b.cfg:3",
        "# 10-a.cfg:2",
        "connect_timeout: 3s",
        "# haproxy.cfg:3",
    ] {
        assert!(yaml.contains(cited), "{cited}: {yaml}");
    }
}

#[test]
fn what_cannot_be_done_ends_with_one_and_wrong_usage_with_two() {
    for (arguments, code, says) in [
        (
            &["/nowhere/haproxy.cfg"][..],
            1,
            "/nowhere/haproxy.cfg cannot be read",
        ),
        (&["-"], 1, "no configuration of HAProxy"),
        (&[], 2, "HAPROXY.CFG"),
        (&["-", "--force"], 2, "--output"),
        (
            &["-", "-o", "/nowhere/x.yaml"],
            1,
            "no configuration of HAProxy",
        ),
    ] {
        let output = rolecall(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let told = said(&output.stderr);
        assert!(told.contains(says), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty());
    }
    let output = rolecall(&["-", "-o", "/nowhere/x.yaml"], SMALL);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output.stderr).contains("/nowhere/x.yaml cannot be written"));
}

// Whatever comes in.

/// Pieces of which lines are made, so that random files get deep.
const PIECES: &[&str] = &[
    "listen redis",
    "frontend f",
    "backend b",
    "backend c",
    "defaults",
    "global",
    "bind *:6379",
    "bind 127.0.0.1:6379",
    "bind [::]:6380 v4v6",
    "bind /run/x.sock",
    "bind *:6379-6400 ssl",
    "server a 127.0.0.1:6379 check backup",
    "server a 10.0.0.1:6379 weight 0",
    "server b 10.0.0.2 disabled",
    "server c ${X}:${Y}",
    "server a \"${ALL}\" check addr 10.0.0.9 port 26379",
    "server-template t 3 redis:6379",
    "server s 10.0.0.1:26379",
    "use_backend b if { nbsrv(c) eq 0 }",
    "use_backend c if { nbsrv(b) lt 1 } !x",
    "use_backend b",
    "default_backend c",
    "acl x nbsrv(b) ge 1",
    "server d",
    "server e redis",
    "server f 10.0.0.1:6379 port 9000 check",
    "default_backend b",
    "use-server a if { nbsrv(c) ge 2 }",
    "option tcp-check",
    "option redis-check",
    "tcp-check send AUTH\\ pw\\r\\n",
    "tcp-check send \"AUTH ${PW}\"\\r\\n",
    "tcp-check send SENTINEL\\ master\\ m\\r\\n",
    "tcp-check send-binary zz",
    "tcp-check expect string role:master",
    "tcp-check expect string role:slave",
    "tcp-check expect rstring role:(",
    "tcp-check expect string 10.0.0.1",
    "timeout connect 0",
    "timeout connect 99999999999d",
    "maxconn 99999999999",
    "maxconn 7",
    "mode http",
    "disabled",
    "enabled",
    ".if 1",
    ".else",
    ".endif",
    "default-server",
    "server",
    "bind",
    "x \"",
];

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let text = String::from_utf8_lossy(&bytes);
        let import = imported(&text);
        prop_assert!(!matches!(import.yaml, Err(NotWritten::Bug(_))));
    }

    #[test]
    fn arbitrary_sections_make_a_valid_file_or_none(
        lines in proptest::collection::vec(0..PIECES.len(), 0..40),
    ) {
        let text = lines.iter().map(|index| PIECES[*index]).collect::<Vec<_>>().join("\n");
        let import = imported(&text);
        if let Err(NotWritten::Bug(problems)) = &import.yaml {
            prop_assert!(false, "{}\n{}", problems, text);
        }
        prop_assert_eq!(import.fates.len(), directives(&text).len(), "{}", text);
    }
}

#[test]
fn a_variable_beside_a_listener_on_all_addresses_is_no_clash() {
    let import = imported(
        "listen redis\n  bind *:6379\n  mode tcp\n  option tcp-check\n  tcp-check send info\\ replication\\r\\n\n  \
         tcp-check expect string role:master\n  server r1 \"${R1}:6379\" check\n  server r2 \"${R2}:6379\" check\n",
    );
    assert!(yaml_of(&import).contains("r1: \"${R1}:6379\""));
}

#[test]
fn replicas_in_a_section_of_their_own_are_told_to_lack_their_primary() {
    let import = imported(
        "defaults\n  mode tcp\nlisten redis-write\n  bind :6379\n  option tcp-check\n  \
         tcp-check send info\\ replication\\r\\n\n  tcp-check expect string role:master\n  server m 10.0.0.1:6379 check\n\
         listen redis-read\n  bind :6380\n  option tcp-check\n  tcp-check send info\\ replication\\r\\n\n  \
         tcp-check expect string role:slave\n  server s1 10.0.0.2:6379 check\n  server s2 10.0.0.3:6379 check\n",
    );
    let report = import
        .report
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        report.contains("no section writes to the nodes of `redis-read`")
            && report.contains("`fallback: redis-write`"),
        "{report}"
    );
}

#[test]
fn a_section_called_after_sentinel_that_leads_to_redis_is_of_redis() {
    let import = imported(
        "listen redis-sentinel\n  bind :6379\n  mode tcp\n  option tcp-check\n  tcp-check send PING\\r\\n\n  \
         tcp-check expect string +PONG\n  server r1 10.0.0.1:6379 check\n  server r2 10.0.0.2:6379 check\n",
    );
    assert!(yaml_of(&import).contains("r1: 10.0.0.1:6379"));
}

#[test]
fn names_that_yaml_takes_for_values_are_quoted() {
    let import = imported(
        "listen redis\n  bind :6379\n  mode tcp\n  option tcp-check\n  tcp-check send info\\ replication\\r\\n\n  \
         tcp-check expect string role:master\n  server null 10.0.0.1:6379 check\n  server on 10.0.0.2:6379 check\n",
    );
    let yaml = yaml_of(&import);
    assert!(
        yaml.contains("\"null\": 10.0.0.1:6379") && yaml.contains("\"on\": "),
        "{yaml}"
    );
}

#[test]
fn what_follows_an_unknown_word_is_not_shown() {
    let import = imported(
        "listen redis\n  bind :6379\n  mode tcp\n  option tcp-check\n  tcp-check send info\\ replication\\r\\n\n  \
         tcp-check expect string role:master\n  server r1 10.0.0.1:6379 check password hunter2secret\n",
    );
    assert!(import.report.contains("`password"), "{}", import.report);
    assert!(
        !import.report.contains("hunter2secret"),
        "{}",
        import.report
    );
}

#[test]
fn a_section_without_servers_and_a_sentinel_among_nodes_are_told() {
    let check = "option tcp-check\n  tcp-check send info\\ replication\\r\\n\n  tcp-check expect string role:master\n";
    let import = imported(&format!(
        "defaults\n  mode tcp\nlisten redis-main\n  bind :6379\n  {check}  server a 10.0.0.1:6379 check\n  \
         server s 10.0.0.7:26379 check\nlisten redis_bull\n  bind :6377\n  {check}"
    ));
    let report = import
        .report
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        report.contains("haproxy.cfg:9: port 26379 is a Sentinel's"),
        "{report}"
    );
    assert!(
        report.contains(
            "haproxy.cfg:10: `listen redis_bull` has no server: its address is not opened"
        ),
        "{report}"
    );
    assert!(
        report.contains("access: read-write: haproxy.cfg:7 "),
        "{report}"
    );
}

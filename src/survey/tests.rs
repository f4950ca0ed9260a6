//! What is foretold is what a proxy does: random answers, told to the core once as the survey tells them and
//! round by round as a monitor would, must choose the same nodes.

mod names;

use std::time::Duration;

use proptest::prelude::*;

use super::answers::{GroupAnswers, NodeAnswer};
use super::*;
use crate::check::ask::{Asked, SentinelSaid};
use crate::core::facts::{Condition, Facts, HostPort, Mode, Role};
use crate::core::outcome::{Denial, Outcome, Report, Stage};
use crate::core::sample::{blank, cut_off, primary, promoted, replica};
use crate::core::sentinel::{Phase, SentinelReport, Vote};
use crate::core::snapshot::Target;
use crate::core::time::Moment;

const FILE: &str = "
groups:
  main:
    nodes:
      redis-1: 10.1.1.1:6379
      redis-2: 10.1.1.2:6379
      redis-3: 10.1.1.3:6379
      redis-local: { address: 10.1.1.4:6379, local: true }
    max_lag: { bytes: 64B }
    sentinel: { name: redis-ha, addresses: [\"10.1.1.1:26379\", \"10.1.1.2:26379\", \"10.1.1.3:26379\"] }
listeners:
  redis-rw: { bind: \"127.0.0.1:0\", access: read-write }
  redis-ro: { bind: \"127.0.0.2:0\", access: read-only, fallback: redis-rw }
  redis-local-ro: { bind: \"127.0.0.3:0\", access: local-read-only, fallback: redis-ro }
  only-two: { bind: \"127.0.0.5:0\", access: read-only, nodes: [redis-2], backup: [redis-3] }
";

fn config() -> Config {
    // Port 0 is for tests alone.
    let text = FILE.replace(":0\"", ":6380\"");
    let no_file = |_: &Path| Err(io::ErrorKind::NotFound.into());
    crate::config::parse(&text, "c.yaml", &|_| None, &no_file).expect("a valid file")
}

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn place(last: usize) -> HostPort {
    HostPort::new(&format!("10.1.1.{last}"), 6379)
}

/// What one node says in every check.
#[derive(Clone, Debug)]
enum Saying {
    Primary,
    Promoted {
        offset: u64,
    },
    Blank {
        keys: bool,
    },
    /// Of another node or of a stranger (9), so far behind, in one of two histories.
    Replica {
        of: usize,
        behind: u64,
        other: bool,
    },
    CutOff {
        of: usize,
        seconds: Option<u64>,
    },
    Syncing {
        of: usize,
    },
    Misconf,
    Cluster,
    Ends(Outcome),
}

fn saying() -> impl Strategy<Value = Saying> {
    let of = prop_oneof![1_usize..=4, Just(9)];
    prop_oneof![
        3 => Just(Saying::Primary),
        1 => (0_u64..2000).prop_map(|offset| Saying::Promoted { offset }),
        1 => any::<bool>().prop_map(|keys| Saying::Blank { keys }),
        6 => (of.clone(), prop_oneof![Just(0), Just(10), Just(500)], any::<bool>())
            .prop_map(|(of, behind, other)| Saying::Replica { of, behind, other }),
        2 => (of.clone(), prop_oneof![Just(None), Just(Some(3)), Just(Some(300))])
            .prop_map(|(of, seconds)| Saying::CutOff { of, seconds }),
        1 => of.prop_map(|of| Saying::Syncing { of }),
        1 => Just(Saying::Misconf),
        1 => Just(Saying::Cluster),
        1 => Just(Saying::Ends(Outcome::Refused)),
        1 => Just(Saying::Ends(Outcome::TimedOut(Stage::Reply))),
        1 => Just(Saying::Ends(Outcome::Loading)),
        1 => Just(Saying::Ends(Outcome::Busy)),
        1 => Just(Saying::Ends(Outcome::Unresolved("no such host".into()))),
        1 => Just(Saying::Ends(Outcome::Denied(Denial::WrongPass, "WRONGPASS".into()))),
        1 => Just(Saying::Ends(Outcome::NotRedis("HTTP/1.1 400".into()))),
    ]
}

impl Saying {
    fn outcome(&self, run: &str) -> Outcome {
        let mut facts = match self {
            Self::Ends(outcome) => return outcome.clone(),
            Self::Primary | Self::Misconf | Self::Cluster => primary(run, "hist"),
            Self::Promoted { offset } => promoted(run, "later", "hist", *offset),
            Self::Blank { keys } => Facts {
                has_keys: Some(*keys),
                ..blank(run, "own")
            },
            Self::Replica { of, other, .. } => {
                replica(run, if *other { "other" } else { "hist" }, &place(*of))
            }
            Self::CutOff { of, seconds } => {
                cut_off(run, "hist", &place(*of), seconds.map(Duration::from_secs))
            }
            Self::Syncing { of } => cut_off(run, "hist", &place(*of), None),
        };
        match self {
            Self::Misconf => facts.condition = Condition::Misconf,
            Self::Cluster => facts.mode = Mode::Cluster,
            _ => {}
        }
        if let Role::Replica(link) = &mut facts.role {
            match self {
                Self::Replica { behind, .. } => link.offset -= behind,
                Self::Syncing { .. } => link.syncing = true,
                _ => {}
            }
        }
        Outcome::Answered(Box::new(facts))
    }
}

/// Whom a Sentinel names: a node, a stranger (9), or nobody (0).
fn vote(of: usize) -> SentinelReport {
    match of {
        0 => SentinelReport::Unreachable("refused".into()),
        of => SentinelReport::Votes(Vote {
            address: place(of),
            run_id: None,
            config_epoch: 1,
            phase: Phase::Settled,
            down: false,
        }),
    }
}

fn answers(config: &Config, sayings: &[Saying], votes: &[usize]) -> GroupAnswers {
    let nodes = config.groups[0].nodes.iter().zip(sayings);
    let nodes = nodes.enumerate().map(|(index, (node, saying))| {
        let outcome = saying.outcome(&format!("run-{}", node.name));
        let report = |started| Report {
            started: at(started),
            finished: at(started + 1),
            dialled: true,
            outcome: outcome.clone(),
        };
        let target = format!("10.1.1.{}:6379", index + 1)
            .parse()
            .expect("an address");
        let again = matches!(outcome, Outcome::Answered(_)).then(|| report(1100));
        NodeAnswer {
            id: node.id,
            name: node.name.clone(),
            address: node.address.clone(),
            local: node.local,
            learned: false,
            asked: Asked {
                target: Some(Target::Tcp(target)),
                report: Ok(report(1000)),
            },
            again,
            product: None,
            elsewhere: Vec::new(),
        }
    });
    let said = |of: &usize| SentinelSaid {
        report: vote(*of),
        target: None,
        replicas: None,
        sentinels: None,
        masters: None,
    };
    GroupAnswers {
        began: at(999),
        ended: at(1101),
        nodes: nodes.collect(),
        sentinels: votes.iter().map(said).collect(),
    }
}

/// Whom each listener chooses in a proxy that hears the same again and again until `claim_hold` is over.
fn proxy_chooses(config: &Config, answers: &GroupAnswers) -> Vec<Vec<String>> {
    let group = &config.groups[0];
    let start = u64::try_from(foretell::RUNNING.as_millis()).expect("a year");
    let mut proxy = new_group(&config.listeners, group, at(0));
    let hold = u64::try_from(group.claim_hold.as_millis()).expect("a short while");
    let mut now = start;
    while now <= start + hold + 1500 {
        for node in &answers.nodes {
            now += 1;
            if now < start + 10 {
                proxy.resolved(node.id, node.asked.target.clone(), at(now));
            }
            let mut report = node.asked.report.clone().expect("a report");
            (report.started, report.finished) = (at(now), at(now + 1));
            proxy.report(node.id, &report);
        }
        for (index, said) in answers.sentinels.iter().enumerate() {
            proxy.sentinel(index, said.report.clone(), at(now));
        }
        now += 250;
        proxy.tick(at(now));
    }
    let (_, listeners) = foretold(&[proxy], &in_force(config, Path::new("c.yaml")), at(now));
    listeners
        .into_iter()
        .map(|listener| listener.serving)
        .collect()
}

fn survey_of(config: &Config, answers: GroupAnswers) -> api::Survey {
    let answers = [answers];
    let groups = foretell(config, &answers);
    let in_force = in_force(config, Path::new("c.yaml"));
    Scene::new(config, &answers, &groups, &in_force).survey(Duration::ZERO)
}

proptest! {
    #[test]
    fn what_is_foretold_is_what_a_proxy_does(
        sayings in prop::collection::vec(saying(), 4),
        votes in prop::collection::vec(prop_oneof![3 => Just(0_usize), 1 => 1_usize..=3, 1 => Just(9)], 3),
    ) {
        let config = config();
        let answers = answers(&config, &sayings, &votes);
        let expected = proxy_chooses(&config, &answers);
        let survey = survey_of(&config, answers);
        let told: Vec<Vec<String>> =
            survey.listeners.iter().map(|listener| listener.serving.clone()).collect();
        prop_assert_eq!(&told, &expected);
        // One that nobody serves is told, and then the exit code is 1.
        for listener in &survey.listeners {
            let told = survey.findings.iter().any(|finding| {
                finding.kind == "nobody-serves" && finding.about == listener.name
            });
            prop_assert_eq!(told, listener.serving.is_empty());
            prop_assert!(!told || !survey.ok);
        }
    }
}

fn kinds(survey: &api::Survey) -> Vec<(&str, &str)> {
    let about = |finding: &'_ api::Finding| finding.kind != "address-held";
    let all = survey.findings.iter().filter(|finding| about(finding));
    all.map(|finding| (finding.about.as_str(), finding.kind.as_str()))
        .collect()
}

fn healthy() -> Vec<Saying> {
    let replica = || Saying::Replica {
        of: 1,
        behind: 0,
        other: false,
    };
    vec![Saying::Primary, replica(), replica(), replica()]
}

fn asked(sayings: &[Saying]) -> api::Survey {
    let config = config();
    let answers = answers(&config, sayings, &[1, 1, 1]);
    survey_of(&config, answers)
}

#[test]
fn a_healthy_group_is_told_without_a_finding() {
    let survey = asked(&healthy());
    assert_eq!(kinds(&survey), [], "{:?}", survey.findings);
    assert!(survey.ok);
    let texts: Vec<&str> = survey.groups[0]
        .nodes
        .iter()
        .map(|node| node.text.as_str())
        .collect();
    assert_eq!(
        texts,
        ["takes writes", "standing by", "standing by", "standing by"]
    );
    let lags: Vec<_> = survey.groups[0]
        .nodes
        .iter()
        .map(|node| node.lag_bytes)
        .collect();
    assert_eq!(lags, [None, Some(0), Some(0), Some(0)]);
}

#[test]
fn each_trouble_of_a_node_is_one_finding() {
    let replica = |of, behind, other| Saying::Replica { of, behind, other };
    for (saying, kind) in [
        (replica(1, 500, false), "max-lag"),
        (replica(9, 0, true), "follows-stranger"),
        (replica(1, 0, true), "other-history"),
        (
            Saying::CutOff {
                of: 1,
                seconds: Some(3),
            },
            "link-down",
        ),
        (
            Saying::CutOff {
                of: 1,
                seconds: None,
            },
            "link-down",
        ),
        (
            Saying::CutOff {
                of: 9,
                seconds: None,
            },
            "follows-stranger",
        ),
        (Saying::Cluster, "cluster-mode"),
        (Saying::Ends(Outcome::Refused), "refused"),
        (Saying::Ends(Outcome::TimedOut(Stage::Reply)), "no-answer"),
        (
            Saying::Ends(Outcome::TimedOut(Stage::Connect)),
            "no-connection",
        ),
        (Saying::Ends(Outcome::Closed), "closes"),
        (Saying::Ends(Outcome::TooManyClients), "too-many-clients"),
        (
            Saying::Ends(Outcome::Unreachable("no route".into())),
            "unreachable",
        ),
        (Saying::Ends(Outcome::BadReply("+OK".into())), "bad-reply"),
    ] {
        let mut all = healthy();
        all[2] = saying.clone();
        let survey = asked(&all);
        assert_eq!(kinds(&survey), [("redis-3", kind)], "{saying:?}");
        assert!(!survey.ok, "{saying:?}");
    }
}

#[test]
fn what_goes_by_itself_is_a_hint() {
    let replica = |of, behind, other| Saying::Replica { of, behind, other };
    for (saying, kind) in [
        (Saying::Syncing { of: 1 }, "syncing"),
        (Saying::Ends(Outcome::Loading), "loading"),
        (Saying::Ends(Outcome::Busy), "busy"),
        (replica(9, 0, false), "follows-by-other-address"),
    ] {
        let mut all = healthy();
        all[2] = saying.clone();
        let survey = asked(&all);
        assert_eq!(kinds(&survey), [("redis-3", kind)], "{saying:?}");
        assert!(survey.ok, "{saying:?}: {:?}", survey.findings);
    }
}

#[test]
fn r9_a_link_that_has_been_down_for_long_is_not_read_without_a_primary() {
    let cut_off = |seconds| Saying::CutOff {
        of: 1,
        seconds: Some(seconds),
    };
    for (seconds, serving) in [(59, vec!["redis-2"]), (61, vec![])] {
        let sayings = [
            Saying::Ends(Outcome::Refused),
            cut_off(seconds),
            cut_off(300),
            cut_off(300),
        ];
        let survey = asked(&sayings);
        assert_eq!(survey.listeners[1].serving, serving, "{seconds} s");
    }
}

#[test]
fn time_as_the_only_evidence_is_told() {
    let config = config();
    let mut sayings = healthy();
    sayings[1] = Saying::Ends(Outcome::Refused);
    sayings[2] = Saying::Ends(Outcome::Refused);
    let survey = survey_of(&config, answers(&config, &sayings, &[0, 0, 0]));
    let group = &survey.groups[0];
    assert_eq!(group.primary.as_deref(), Some("redis-1"));
    assert_eq!(
        (group.after_seconds, group.rule.as_deref()),
        (6.0, Some("R3.4"))
    );
    assert!(
        group.text.contains("after claim_hold, 6.0s"),
        "{}",
        group.text
    );
}

#[test]
fn a_local_node_that_is_another_address_of_the_primary_is_a_hint() {
    let config = config();
    let mut answers = answers(&config, &healthy(), &[1, 1, 1]);
    let twin = answers.nodes[0].asked.report.clone();
    answers.nodes[3].again = answers.nodes[0].again.clone();
    answers.nodes[3].asked.report = twin;
    let survey = survey_of(&config, answers);
    assert_eq!(kinds(&survey), [("redis-local", "local-alias")]);
    assert!(survey.ok);

    let mut stranger = healthy();
    stranger[3] = Saying::Primary;
    assert_eq!(kinds(&asked(&stranger)), [("redis-local", "local-primary")]);
}

#[test]
fn what_several_sentinels_say_is_told_once() {
    let config = config();
    let mut answers = answers(&config, &healthy(), &[1, 1, 1]);
    for said in &mut answers.sentinels {
        said.report = SentinelReport::UnknownName;
    }
    let survey = survey_of(&config, answers);
    let all = "10.1.1.1:26379, 10.1.1.2:26379, 10.1.1.3:26379";
    assert_eq!(kinds(&survey), [(all, "unknown-name")]);
    assert!(
        survey.findings[0].advice.contains("name"),
        "{:?}",
        survey.findings
    );
}

#[test]
fn every_finding_says_what_to_do_in_one_line() {
    for (index, saying) in [
        Saying::Ends(Outcome::Refused),
        Saying::Primary,
        Saying::CutOff {
            of: 1,
            seconds: None,
        },
        Saying::Ends(Outcome::NotRedis("SSH-2.0".into())),
    ]
    .into_iter()
    .enumerate()
    {
        let mut all = healthy();
        all[index] = saying;
        for finding in asked(&all).findings {
            assert!(!finding.advice.is_empty(), "{finding:?}");
            let both = [&finding.text, &finding.advice];
            assert!(both.iter().all(|text| !text.contains('\n')), "{finding:?}");
        }
    }
}

#[test]
fn the_time_that_it_takes_at_most_comes_from_the_checks() {
    let seconds = |check: &str| {
        let text = FILE
            .replace(":0\"", ":6380\"")
            .replace("max_lag: { bytes: 64B }", check);
        let no_file = |_: &Path| Err(io::ErrorKind::NotFound.into());
        let config = crate::config::parse(&text, "c.yaml", &|_| None, &no_file).expect("valid");
        answers::deadline(&config).as_secs_f64()
    };
    assert!(
        (seconds("") - 3.05).abs() < 0.01,
        "6 checks of 400 ms, and one more"
    );
    assert!(
        (seconds("check: { timeout: 100ms }") - 2.1).abs() < 0.01,
        "Sentinels have 2 s"
    );
    let long = seconds("check: { interval: 30s, timeout: 20s }");
    assert!(
        (long - 20.0).abs() < 0.01,
        "never more than 10 s for a node: {long}"
    );
}

//! Names with several addresses.

use super::*;

#[test]
fn several_processes_behind_a_name_are_told_apart_and_one_at_two_addresses_is_no_finding() {
    let config = config();
    for (run, found) in [("run-redis-1", false), ("another", true)] {
        let mut answers = answers(&config, &healthy(), &[1, 1, 1]);
        let facts = replica(run, "hist", &place(1));
        let other: std::net::SocketAddr = "10.1.1.9:6379".parse().expect("an address");
        answers.nodes[0].elsewhere = vec![Asked {
            target: Some(Target::Tcp(other)),
            report: Ok(Report {
                started: at(1000),
                finished: at(1001),
                dialled: true,
                outcome: Outcome::Answered(Box::new(facts)),
            }),
        }];
        let survey = survey_of(&config, answers);
        let expected: &[(&str, &str)] = if found {
            &[("redis-1", "several-nodes-behind-a-name")]
        } else {
            &[]
        };
        assert_eq!(kinds(&survey), expected);
        if found {
            let text = &survey
                .findings
                .iter()
                .find(|each| each.kind.starts_with("several"))
                .unwrap()
                .text;
            for words in [
                "10.1.1.1:6379 is a primary, run run-redi",
                "10.1.1.9:6379 is a replica, run another",
            ] {
                assert!(text.contains(words), "{text}");
            }
        }
    }
}

//! Names that the pages use are there: metrics, reasons, outcomes, commands, rules.

use assert_cmd::Command;
use rolecall::config::load;
use rolecall::config::summary::summary;
use rolecall::core::outcome::Outcome;
use rolecall::core::reason::CloseReason;
use rolecall::metrics;

use crate::{in_repository, pages, text_of};

const RULES: &str = "docs/how-it-decides.md";

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[test]
fn every_metric_of_the_pages_is_one() {
    let mut seen = 0;
    for page in pages() {
        let text = text_of(&page);
        for word in text.split(|c| !is_of_a_name(c)) {
            // Not the name of a package or of a file.
            let is_lower = |c: char| c.is_ascii_lowercase() || c == '_';
            let rest = word.strip_prefix("rolecall_").unwrap_or_default();
            if rest.is_empty() || !rest.chars().all(is_lower) {
                continue;
            }
            let is_metric = metrics::ALL.iter().any(|metric| {
                let rest = word.strip_prefix(metric.name);
                rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            });
            assert!(is_metric, "{page}: there is no metric {word}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_table_of_reasons_has_each_with_its_code() {
    let page = text_of(RULES);
    for reason in CloseReason::ALL {
        let row = format!("| `{}` | `{}` |", reason.label(), reason.haproxy_code());
        assert!(page.contains(&row), "{RULES} has no row {row}");
    }
}

#[test]
fn the_table_of_outcomes_has_each() {
    let page = text_of(RULES);
    for label in Outcome::LABELS {
        assert!(
            page.contains(&format!("`{label}`")),
            "{RULES} has no {label}"
        );
    }
}

#[test]
fn each_rule_is_told() {
    let page = text_of(RULES);
    for rule in 1..=16 {
        assert!(page.contains(&format!("\n| R{rule} | ")), "R{rule}");
        let cited = page.contains(&format!("(R{rule})")) || page.contains(&format!("R{rule},"));
        assert!(cited, "no section tells of R{rule}");
    }
}

#[test]
fn every_command_of_the_pages_is_one() {
    let help = Command::cargo_bin("rolecall")
        .expect("the program is built")
        .arg("--help")
        .output()
        .expect("its help");
    let help = String::from_utf8(help.stdout).expect("text");
    let commands: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    let mut seen = 0;
    for page in pages() {
        for line in text_of(&page).lines() {
            for opening in ["`rolecall ", "$ rolecall "] {
                for (at, _) in line.match_indices(opening) {
                    let rest = &line[at + opening.len()..];
                    let word: String = rest
                        .chars()
                        .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                        .collect();
                    assert!(
                        word.is_empty() || word.starts_with('-') || commands.contains(&&*word),
                        "{page}: there is no command {word}: {commands:?}"
                    );
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_chains_of_the_reference_are_those_that_check_prints() {
    let config = load(&in_repository("config/rolecall.yaml")).expect("it is valid");
    let printed = summary(&config);
    let from = printed.find("listeners\n").expect("listeners");
    let to = printed.find("admin ").expect("admin");
    let page = text_of("docs/configuration.md");
    assert!(page.contains(&printed[from..to]), "{}", &printed[from..to]);
}

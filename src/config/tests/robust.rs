//! Any text is answered, none brings the reader down.

use proptest::prelude::*;

use super::{file, parse};

/// Answers any text, and finds every place that it tells inside the text.
fn survives(text: &str) {
    if let Err(problems) = parse(text) {
        assert!(problems.iter().next().is_some());
        assert!(problems.to_string().starts_with("c.yaml:"));
        let lines = text.lines().count() + 1;
        assert!(
            problems
                .iter()
                .all(|problem| problem.line().is_none_or(|line| line <= lines))
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_text(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn text_of_yaml_characters(text in "[ a-c:{}\\[\\],&*!|>'\"%@#$\n-]{0,80}") {
        survives(&text);
    }

    /// A good file with a piece cut out and another put in.
    #[test]
    fn a_damaged_file(from in 0_usize..4000, length in 0_usize..40, piece in "[ -~\n]{0,12}") {
        let mut text = include_str!("../../../config/full.yaml").to_owned();
        let start = from.min(text.len());
        let end = (start + length).min(text.len());
        if text.is_char_boundary(start) && text.is_char_boundary(end) {
            text.replace_range(start..end, &piece);
            survives(&text);
        }
    }

    /// Words of the schema in any order and nesting.
    #[test]
    fn known_keys_with_any_value(
        key in prop::sample::select(vec!["auth", "check", "claim_hold", "max_lag", "sentinel", "nodes", "stale_reads"]),
        value in "[ -~]{0,30}",
    ) {
        survives(&file(&format!("    {key}: {value}\n"), ""));
        survives(&file("", &format!("  r: {{ bind: {value}, {key}: {value} }}\n")));
    }
}

#[test]
fn deep_nesting_and_aliases_of_aliases_are_refused() {
    survives(&"[".repeat(100_000));
    survives(&"{a: ".repeat(100_000));
    survives(&"- ".repeat(100_000));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        let items = vec![below; 10].join(", ");
        bomb += &[
            "a",
            &level.to_string(),
            ": &a",
            &level.to_string(),
            " [",
            &items,
            "]\n",
        ]
        .concat();
    }
    let said = super::said(&bomb);
    assert!(said.contains("too many"), "{said}");
}

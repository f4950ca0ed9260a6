//! As much of Markdown as the tests need: fenced blocks, headings and their anchors, links, code in a line.

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Fence {
    /// The line of the opening fence, from 1.
    pub(crate) line: usize,
    /// What follows the fence: the language, and further words.
    pub(crate) info: String,
    pub(crate) text: String,
}

/// All fenced blocks of a page, and the page with those lines empty.
pub(crate) fn fences(page: &str) -> (Vec<Fence>, String) {
    let mut found: Vec<Fence> = Vec::new();
    let mut rest = String::new();
    let mut open: Option<(String, usize)> = None;
    for (index, line) in page.lines().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let ticks: String = trimmed.chars().take_while(|c| *c == '`').collect();
        match &open {
            None if ticks.len() >= 3 => {
                found.push(Fence {
                    line: index + 1,
                    info: trimmed[ticks.len()..].trim().to_owned(),
                    text: String::new(),
                });
                open = Some((ticks, indent));
            }
            None => rest.push_str(line),
            Some((fence, _)) if trimmed.trim_end() == fence => open = None,
            Some((_, indent)) => {
                if let Some(fence) = found.last_mut() {
                    let spaces = line.len() - line.trim_start().len();
                    fence.text.push_str(&line[spaces.min(*indent)..]);
                    fence.text.push('\n');
                }
            }
        }
        rest.push('\n');
    }
    assert!(open.is_none(), "a fence is not closed: {found:?}");
    (found, rest)
}

/// The anchors of a page's headings, as GitHub makes them.
pub(crate) fn anchors(page: &str) -> Vec<String> {
    let (_, text) = fences(page);
    let mut anchors: Vec<String> = Vec::new();
    for line in text.lines() {
        let level = line.chars().take_while(|c| *c == '#').count();
        if level == 0 || level > 6 || !line[level..].starts_with(' ') {
            continue;
        }
        let slug = slug(&without_links(line[level..].trim()));
        let same = anchors
            .iter()
            .filter(|other| **other == slug || is_numbered(other, &slug));
        let count = same.count();
        anchors.push(if count == 0 {
            slug
        } else {
            format!("{slug}-{count}")
        });
    }
    anchors
}

fn is_numbered(anchor: &str, slug: &str) -> bool {
    anchor
        .strip_prefix(slug)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|number| number.parse::<u32>().is_ok())
}

fn slug(heading: &str) -> String {
    heading
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// The words of links without their targets.
fn without_links(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let Some(end) = rest[at..].find(')') else {
            break;
        };
        shown.push_str(&rest[..at].replacen('[', "", 1));
        rest = &rest[at + end + 1..];
    }
    shown + rest
}

/// The targets of all links and pictures of a page: `[..](target)`, `src="target"`, `srcset="target"`, `href="target"`.
pub(crate) fn targets(page: &str) -> Vec<String> {
    let (_, text) = fences(page);
    let text = without_code(&text);
    let mut targets = Vec::new();
    for (open, close) in [
        ("](", ')'),
        ("src=\"", '"'),
        ("srcset=\"", '"'),
        ("href=\"", '"'),
    ] {
        for (at, _) in text.match_indices(open) {
            let target = text[at + open.len()..]
                .split(close)
                .next()
                .unwrap_or_default();
            targets.push(target.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    targets
}

/// Code within lines: what stands between single backticks.
pub(crate) fn code(page: &str) -> Vec<String> {
    let (_, text) = fences(page);
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

fn without_code(text: &str) -> String {
    text.lines()
        .map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join(""))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn anchors_are_those_of_github() {
    let page = "# One & two\n\n## `groups.NAME`: a group\n\n## [R3](x.md): who?\n\n## Same\n## Same\n\n```\n# none\n```\n";
    let expected = ["one--two", "groupsname-a-group", "r3-who", "same", "same-1"];
    assert_eq!(anchors(page), expected);
}

#[test]
fn links_are_found_and_those_in_code_are_none() {
    let page =
        "[a](b.md#c) ![p](q.svg \"title\") `[x](y)` <img src=\"z.svg\">\n```\n[in](code)\n```\n";
    assert_eq!(targets(page), ["b.md#c", "q.svg", "z.svg"]);
}

#[test]
fn fences_are_taken_out_of_their_indentation() {
    let (found, rest) = fences("a\n  ```yaml wrong\n  b: 1\n    c: 2\n  ```\nd\n");
    assert_eq!((found[0].line, found[0].info.as_str()), (2, "yaml wrong"));
    assert_eq!(found[0].text, "b: 1\n  c: 2\n");
    assert_eq!(rest, "a\n\n\n\n\nd\n");
}

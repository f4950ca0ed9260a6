//! A survey as a page of text: groups with their nodes and Sentinels, listeners, then what is wrong.

use crate::api::{
    Finding, FindingSeverity, ListenerStatus, NodeRole, Serves, Survey, SurveyGroup, SurveyNode,
    SurveySentinel,
};
use crate::cli::admin::paper::{Cell, Side, Style, Table, Tint};
use crate::cli::admin::show::{GO_TO, behind, place, span};

/// The whole page.
pub(super) fn survey(survey: &Survey, style: Style) -> String {
    let mut page = head(survey, style);
    for each in &survey.groups {
        page += "\n";
        page += &group(each, style);
    }
    page += "\n";
    page += &listeners(&survey.listeners, style);
    page += "\n";
    page += &findings(survey, style);
    page
}

fn head(survey: &Survey, style: Style) -> String {
    let count = |of: fn(&SurveyGroup) -> usize| survey.groups.iter().map(of).sum::<usize>();
    let nodes = counted(count(|group| group.nodes.len()), "node");
    let sentinels = match count(|group| group.sentinels.len()) {
        0 => String::new(),
        number => format!(" and {}", counted(number, "Sentinel")),
    };
    let line = format!(
        "{}: asked {nodes}{sentinels} in {} (at most {})",
        survey.config,
        span(survey.took_seconds),
        span(survey.deadline_seconds)
    );
    let text = style.paragraph("", Tint::Plain, &line);
    text.trim_start().to_owned()
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn group(group: &SurveyGroup, style: Style) -> String {
    let (word, tint) = match (&group.primary, group.claimants) {
        (Some(_), 0 | 1) => ("OK", Tint::Good),
        (_, 2..) => ("CONFLICT", Tint::Bad),
        (None, _) => ("NO PRIMARY", Tint::Bad),
    };
    let mut out = style.paragraph(&format!("{} {word}", group.name), tint, &group.text);
    let mut table = Table::new([
        ("NODE", Side::Left),
        ("ADDRESS", Side::Left),
        ("ROLE", Side::Left),
        ("VERSION", Side::Left),
        ("LINK", Side::Left),
        ("LAG", Side::Right),
        ("STATE", Side::Left),
    ]);
    for node in &group.nodes {
        table.push(row(node));
    }
    out += &table.print(style);
    if !group.sentinels.is_empty() {
        out += &sentinels(&group.sentinels, style);
    }
    out
}

fn row(node: &SurveyNode) -> [Cell; 7] {
    let role = match node.role {
        NodeRole::Primary => "primary",
        NodeRole::Replica => "replica",
        NodeRole::Unknown => "?",
    };
    let version = match (&node.product, &node.version) {
        (Some(product), Some(version)) => format!("{product} {version}"),
        (None, Some(version)) => version.clone(),
        _ => "?".to_owned(),
    };
    let link = match (node.link_up, node.syncing) {
        (None, _) => "",
        (Some(_), true) => "sync",
        (Some(true), false) => "up",
        (Some(false), false) => "down",
    };
    let lag = match node.link_up {
        None => String::new(),
        Some(false) if node.lag_bytes.is_none() => "?".to_owned(),
        Some(_) => behind(node.lag_bytes, node.lag_seconds),
    };
    // A replica that stands by is as it should be; so are the texts of healthy nodes.
    let tint = match node.serves {
        Serves::Writes | Serves::Reads => Tint::Good,
        Serves::Nothing => Tint::Warn,
    };
    let plain = |text: String| Cell(text, Tint::Plain);
    [
        Cell(node.name.clone(), Tint::Strong),
        plain(place(&node.address, node.dialled.as_ref())),
        plain(role.to_owned()),
        plain(version),
        plain(link.to_owned()),
        plain(lag),
        Cell(node.text.clone(), tint),
    ]
}

fn sentinels(all: &[SurveySentinel], style: Style) -> String {
    let mut table = Table::new([
        ("SENTINEL", Side::Left),
        ("EPOCH", Side::Right),
        ("REPLICAS", Side::Right),
        ("OTHERS", Side::Right),
        ("STATE", Side::Left),
    ]);
    let number = |count: Option<usize>| count.map_or_else(|| "?".to_owned(), |n| n.to_string());
    for sentinel in all {
        let epoch = sentinel.config_epoch;
        let tint = if sentinel.answers && sentinel.node.is_some() {
            Tint::Plain
        } else {
            Tint::Warn
        };
        table.push([
            Cell(
                place(&sentinel.address, sentinel.dialled.as_ref()),
                Tint::Strong,
            ),
            Cell(
                epoch.map_or_else(|| "?".to_owned(), |epoch| epoch.to_string()),
                Tint::Plain,
            ),
            Cell(number(sentinel.replicas), Tint::Plain),
            Cell(number(sentinel.sentinels), Tint::Plain),
            Cell(sentinel.text.clone(), tint),
        ]);
    }
    table.print(style)
}

fn listeners(all: &[ListenerStatus], style: Style) -> String {
    let mut table = Table::new([
        ("LISTENER", Side::Left),
        ("ADDRESS", Side::Left),
        ("WOULD CHOOSE", Side::Left),
    ]);
    for (place, listener) in all.iter().enumerate() {
        let mut before = all.iter().take(place);
        let (to, tint) = match listener.text.strip_prefix(GO_TO) {
            Some(to) => (to, Tint::Plain),
            None if before.any(|other| other.text == listener.text) => {
                ("nobody, for the same reasons", Tint::Bad)
            }
            None => (listener.text.as_str(), Tint::Bad),
        };
        table.push([
            Cell(listener.name.clone(), Tint::Strong),
            Cell(listener.binds.join(" "), Tint::Plain),
            Cell(to.to_owned(), tint),
        ]);
    }
    table.print(style)
}

/// What is wrong, then what may want a look, each with what to do.
pub(super) fn findings(survey: &Survey, style: Style) -> String {
    let of = |severity| {
        let all = survey.findings.iter();
        all.filter(move |finding: &&Finding| finding.severity == severity)
    };
    let mut out = String::new();
    for finding in of(FindingSeverity::Trouble) {
        out += &entry("WRONG", Tint::Bad, finding, style);
    }
    for finding in of(FindingSeverity::Hint) {
        out += &entry("hint", Tint::Warn, finding, style);
    }
    let verdict = match (survey.ok, of(FindingSeverity::Hint).count()) {
        (false, _) => {
            let count = counted(of(FindingSeverity::Trouble).count(), "thing");
            let verb = if count.starts_with("1 ") { "is" } else { "are" };
            style.paint(&format!("{count} {verb} wrong"), Tint::Bad)
        }
        (true, 0) => style.paint(
            "nothing is wrong: every listener could be served",
            Tint::Good,
        ),
        (true, hints) => {
            let said = format!(
                "nothing is wrong: every listener could be served ({})",
                counted(hints, "hint")
            );
            style.paint(&said, Tint::Good)
        }
    };
    out + &verdict + "\n"
}

fn entry(word: &str, tint: Tint, finding: &Finding, style: Style) -> String {
    let mut out = style.paragraph(word, tint, &finding.text);
    if !finding.advice.is_empty() {
        out += &style.paragraph(
            " ".repeat(word.len()).as_str(),
            Tint::Plain,
            &format!("-> {}", finding.advice),
        );
    }
    out
}

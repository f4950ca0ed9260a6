//! Every link within the repository leads somewhere, and every page is in the index.

use std::path::Path;

use crate::markdown::{anchors, targets};
use crate::{in_repository, pages, text_of};

#[test]
fn every_link_leads_to_a_file_and_an_anchor_that_are_there() {
    let mut wrong = Vec::new();
    let mut followed = 0;
    for page in pages() {
        for target in targets(&text_of(&page)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            if let Some(why) = problem(&page, &target) {
                wrong.push(format!("{page}: {target}: {why}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(followed > 10, "{followed}");
}

fn problem(page: &str, target: &str) -> Option<&'static str> {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let file = match path {
        "" => page.into(),
        path => Path::new(page).with_file_name("").join(path),
    };
    if !in_repository("").join(&file).exists() {
        return Some("there is no such file");
    }
    let anchor = anchor?;
    if file.extension().is_none_or(|extension| extension != "md") {
        return Some("an anchor of what is no page");
    }
    let text = text_of(&file.to_string_lossy());
    let known = anchors(&text).iter().any(|known| known == anchor);
    (!known).then_some("the page has no such heading")
}

#[test]
fn the_index_names_every_page() {
    let index = targets(&text_of("docs/README.md"));
    for page in pages() {
        let name = page
            .strip_prefix("docs/")
            .filter(|name| *name != "README.md");
        if let Some(name) = name {
            let named = index.iter().any(|target| target == name);
            assert!(named, "docs/README.md does not lead to {name}");
        }
    }
}

#[test]
fn every_picture_is_shown_somewhere() {
    let shown: Vec<String> = pages()
        .iter()
        .flat_map(|page| targets(&text_of(page)))
        .collect();
    let folder = in_repository("docs/pictures");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("docs/pictures") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a name");
        let is_shown = shown
            .iter()
            .any(|target| target.ends_with(&format!("pictures/{name}")));
        assert!(is_shown, "no page shows docs/pictures/{name}");
        seen += 1;
    }
    assert!(seen > 0);
}

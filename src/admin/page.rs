//! The status page: one HTML document, put together from its parts when the binary is built.
//!
//! It holds no data. Its script asks `/api/status`, `/api/events` and `/metrics` of the same address, and
//! the policy forbids the browser everything else: no other address, no markup made from data.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, header::HeaderName};
use sha2::{Digest, Sha256};

use super::body::Body;

const FRAME: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("page/words.js"),
    include_str!("page/dom.js"),
    include_str!("page/traffic.js"),
    include_str!("page/state.js"),
    include_str!("page/picture.js"),
    include_str!("page/group.js"),
    include_str!("page/events.js"),
    include_str!("page/tables.js"),
    include_str!("page/main.js"),
);

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    FRAME
        .replacen("/* page.css */", STYLE, 1)
        .replacen("/* page.js */", SCRIPT, 1)
        .into()
});

static HEADERS: LazyLock<[(HeaderName, HeaderValue); 6]> = LazyLock::new(|| {
    // Without a policy of ours the page would do too much, with an empty one nothing.
    let policy =
        HeaderValue::try_from(policy()).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let fixed = HeaderValue::from_static;
    [
        (CONTENT_TYPE, fixed("text/html; charset=utf-8")),
        (CACHE_CONTROL, fixed("no-store")),
        (VARY, fixed("Accept")),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (REFERRER_POLICY, fixed("no-referrer")),
        (CONTENT_SECURITY_POLICY, policy),
    ]
});

/// Whether the client says that it reads HTML. Browsers do; curl and monitors ask for anything.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case("text/html"))
}

/// The page itself.
pub(super) fn answer() -> Response<Body> {
    let mut response = Response::new(Body::from(DOCUMENT.clone()));
    response.headers_mut().extend(HEADERS.iter().cloned());
    response
}

/// What the browser may do: run this script, apply this style, ask this address, show the icon in the page.
/// Trusted types keep the script from ever making markup out of text.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_names_html_gets_it() {
        let wanted = |accept: &[&'static str]| {
            let values = accept.iter().copied().map(HeaderValue::from_static);
            is_wanted(&values.map(|value| (ACCEPT, value)).collect())
        };
        assert!(wanted(&["text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"]));
        assert!(wanted(&["application/json", "Text/HTML; q=0.5"]));
        assert!(!wanted(&["*/*"]));
        assert!(!wanted(&["text/plain", "application/xhtml+xml"]));
        assert!(!wanted(&[]));
    }

    #[test]
    fn the_document_is_whole_and_holds_nothing_else() {
        let text = std::str::from_utf8(&DOCUMENT).unwrap();
        let (style, rest) = between(text, "<style>", "</style>");
        assert_eq!(style, STYLE);
        let (script, rest) = between(rest, "<script>", "</script>");
        assert_eq!(script, SCRIPT);
        assert!(!rest.contains("<script") && !rest.contains("<style"));
        for outside in [
            "https:",
            "http:",
            "src=\"",
            "@import",
            "innerHTML",
            "insertAdjacentHTML",
        ] {
            let text = text
                .replace("\"http://www.w3.org/2000/svg\"", "")
                .replace("'http://www.w3.org/2000/svg'", "");
            assert!(!text.contains(outside), "{outside}");
        }
    }

    fn between<'a>(text: &'a str, from: &str, to: &str) -> (&'a str, &'a str) {
        let (_, rest) = text.split_once(from).unwrap();
        rest.split_once(to).unwrap()
    }
}

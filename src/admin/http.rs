//! The pages: which path gives what, and in which words.
//!
//! GET and HEAD only, but for the commands, which the socket alone takes. Bodies of requests are never read;
//! hyper closes a connection that holds one back.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::body::Body;
use super::seat::Engaged;
use super::server::{Room, Way};
use super::{AdminState, ask, commands, page, process};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const INDEX: &str = concat!(
    "rolecall ",
    env!("CARGO_PKG_VERSION"),
    "\n\n\
     /            the status page, for browsers\n\
     /metrics     figures for Prometheus\n\
     /livez       200 while the process runs\n\
     /readyz      200 once every listener has had a verdict; until then 503, and what is missing\n\
     /api/status  groups, nodes, listeners: who serves, since when, why\n\
     /api/events  the last 1,000 events; ?after=NUMBER, ?limit=COUNT\n"
);

/// What there is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Index,
    Metrics,
    Livez,
    Readyz,
    Status,
    Events,
}

/// Answers one request. Never fails: what goes wrong is an answer too.
pub(super) async fn answer(
    request: Request<Incoming>,
    room: Arc<Room>,
    engaged: Engaged,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path();
    if commands::is_command(path) {
        return Ok(commands::answer(&request, &room).await);
    }
    let Some(page) = page(path) else {
        let why = format!("there is no {path:?} here: / lists what there is\n");
        return Ok(text(StatusCode::NOT_FOUND, why));
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let why = format!(
            "{} is not possible: {}\n",
            request.method(),
            read_only(room.way)
        );
        return Ok(not_allowed("GET, HEAD", why));
    }
    Ok(match page {
        Page::Index if page::is_wanted(request.headers()) => page::answer(),
        Page::Index => text(StatusCode::OK, INDEX),
        Page::Livez => text(StatusCode::OK, "ok\n"),
        Page::Readyz => readyz(&room.state),
        Page::Metrics => figures(room.state.clone()).await,
        Page::Status => ask::status(request.uri(), &room).await,
        Page::Events => ask::events(request.uri(), &room, engaged),
    })
}

fn page(path: &str) -> Option<Page> {
    match path {
        "/" => Some(Page::Index),
        "/metrics" => Some(Page::Metrics),
        "/livez" => Some(Page::Livez),
        "/readyz" => Some(Page::Readyz),
        "/api/status" => Some(Page::Status),
        "/api/events" => Some(Page::Events),
        _ => None,
    }
}

fn read_only(way: Way) -> &'static str {
    match way {
        Way::Http => "everything here is read only, use GET; commands go to admin.socket",
        Way::Socket => "this page is read only, use GET",
    }
}

/// 405, with the methods that are possible.
pub(super) fn not_allowed(methods: &'static str, why: String) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, why);
    let methods = HeaderValue::from_static(methods);
    response.headers_mut().insert(ALLOW, methods);
    response
}

fn readyz(state: &AdminState) -> Response<Body> {
    let missing = (state.readiness)();
    if missing.is_empty() {
        return text(StatusCode::OK, "ready\n");
    }
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("not ready yet\n{}\n", missing.join("\n")),
    )
}

/// Reads files and writes much text, so not on the control thread, where checks want to be on time.
async fn figures(state: AdminState) -> Response<Body> {
    let rendered = tokio::task::spawn_blocking(move || {
        process::refresh();
        state.metrics.render()
    });
    match rendered.await {
        Ok(body) => {
            let mut response = text(StatusCode::OK, body);
            response.headers_mut().insert(CONTENT_TYPE, EXPOSITION);
            response
        }
        Err(error) => {
            tracing::error!(%error, "admin.http: rendering the metrics failed, which is a bug: please report it");
            let why = "the metrics could not be rendered, which is a bug: the log says more\n";
            text(StatusCode::INTERNAL_SERVER_ERROR, why)
        }
    }
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

//! The pages: which path gives what, and in which words.
//!
//! GET and HEAD only. Bodies of requests are never read; hyper closes a connection that holds one back.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::{AdminState, process};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const INDEX: &str = concat!(
    "rolecall ",
    env!("CARGO_PKG_VERSION"),
    "\n\n\
     /metrics  figures for Prometheus\n\
     /livez    200 while the process runs\n\
     /readyz   200 once every listener has had a verdict; until then 503, and what is missing\n"
);

/// What there is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Index,
    Metrics,
    Livez,
    Readyz,
}

/// Answers one request. Never fails: what goes wrong is an answer too.
pub(super) async fn answer(
    request: Request<Incoming>,
    state: Arc<AdminState>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let Some(page) = page(path) else {
        let why = format!("there is no {path:?} here: / lists what there is\n");
        return Ok(text(StatusCode::NOT_FOUND, why));
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let why = format!(
            "{} is not possible: everything here is read only, use GET\n",
            request.method()
        );
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, why);
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(response);
    }
    Ok(match page {
        Page::Index => text(StatusCode::OK, INDEX),
        Page::Livez => text(StatusCode::OK, "ok\n"),
        Page::Readyz => readyz(&state),
        Page::Metrics => figures(state).await,
    })
}

fn page(path: &str) -> Option<Page> {
    match path {
        "/" => Some(Page::Index),
        "/metrics" => Some(Page::Metrics),
        "/livez" => Some(Page::Livez),
        "/readyz" => Some(Page::Readyz),
        _ => None,
    }
}

fn readyz(state: &AdminState) -> Response<Full<Bytes>> {
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
async fn figures(state: Arc<AdminState>) -> Response<Full<Bytes>> {
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

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

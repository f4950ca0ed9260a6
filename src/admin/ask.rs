//! What `/api` tells: the status and the events.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use serde::Serialize;

use super::body::Body;
use super::http::text;
use super::query::Query;
use super::seat::Engaged;
use super::server::{Room, Way};
use super::{events, status};
use crate::journal::KEPT;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// How old a status may be that is told again on the TCP port. Making one takes time on the thread that
/// checks the nodes, and whoever asks there may ask as often as it likes.
const SAME_STATUS: Duration = Duration::from_millis(100);

/// The status as it was last told.
#[derive(Default)]
pub(super) struct LastStatus(Mutex<Option<(Instant, u64, Bytes)>>);

/// `/api/status`.
pub(super) async fn status(uri: &Uri, room: &Room) -> Response<Body> {
    if let Err(why) = Query::parse(uri, &[]) {
        return text(StatusCode::BAD_REQUEST, format!("{why}\n"));
    }
    let sources = &room.state.sources;
    let newest = *sources.journal.watch().borrow();
    if room.way == Way::Http
        && let Some(body) = room.last_status.get(newest)
    {
        return json_text(body);
    }
    let status = status::status(sources).await;
    let body = pretty(&status);
    room.last_status.set(newest, body.clone());
    json_text(body)
}

/// `/api/events`.
pub(super) fn events(uri: &Uri, room: &Room, engaged: Engaged) -> Response<Body> {
    let asked = Query::parse(uri, &["after", "limit", "follow"]).and_then(|query| {
        let (after, limit) = (query.number("after", 0)?, query.number("limit", KEPT)?);
        Ok((after, limit, query.flag("follow")?))
    });
    let (after, limit, follow) = match asked {
        Ok(asked) => asked,
        Err(why) => return text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    };
    let journal = &room.state.sources.journal;
    if !follow {
        return json(&events::events(journal, after, limit));
    }
    if room.way == Way::Http {
        let why = "following is possible on admin.socket only; here ask again with ?after=NUMBER of the \
                   last event\n";
        return text(StatusCode::FORBIDDEN, why);
    }
    let Ok(permit) = room.followers.clone().try_acquire_owned() else {
        let why = "too many follow the events already: end one of them\n";
        return text(StatusCode::SERVICE_UNAVAILABLE, why);
    };
    let lines = events::follow(journal, after, limit, room.cancel.clone());
    let mut response = text(StatusCode::OK, "");
    *response.body_mut() = Body::Stream {
        lines,
        engaged,
        permit,
    };
    response.headers_mut().insert(CONTENT_TYPE, LINES);
    response
}

/// An answer for machines that people can read.
pub(super) fn json(answer: &impl Serialize) -> Response<Body> {
    json_text(pretty(answer))
}

fn pretty(answer: &impl Serialize) -> Bytes {
    // Our own types always serialise.
    let mut body = serde_json::to_string_pretty(answer).unwrap_or_default();
    body.push('\n');
    body.into()
}

fn json_text(body: Bytes) -> Response<Body> {
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

impl LastStatus {
    /// The last status, unless it is old or something has happened since.
    fn get(&self, newest: u64) -> Option<Bytes> {
        let last = self.0.lock().ok()?;
        let (at, number, body) = last.as_ref()?;
        (at.elapsed() < SAME_STATUS && *number == newest).then(|| body.clone())
    }

    fn set(&self, newest: u64, body: Bytes) {
        if let Ok(mut last) = self.0.lock() {
            *last = Some((Instant::now(), newest, body));
        }
    }
}

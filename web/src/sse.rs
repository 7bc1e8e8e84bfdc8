//! Server-sent events: a response that goes on (the HTML standard, 9.2).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::rt::{Sleep, Timer};

use crate::{Body, BoxError, IntoResponse, Response};

/// One event, as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    text: String,
}

impl Event {
    /// An event with this text, which may have several lines.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::default().lines("data", text)
    }

    /// The kind of event, which a page listens for; `message` unless named.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.field("event", name)
    }

    /// What the browser sends as `Last-Event-ID` when it comes back.
    #[must_use]
    pub fn id(self, id: &str) -> Self {
        self.field("id", id)
    }

    /// How long the browser waits before it comes back.
    #[must_use]
    pub fn retry(self, after: Duration) -> Self {
        self.field("retry", &after.as_millis().to_string())
    }

    /// Lines end as they do for whoever reads them: by a line feed, a carriage return, or both together.
    fn lines(mut self, name: &str, text: &str) -> Self {
        for line in text.split("\r\n").flat_map(|lines| lines.split(['\n', '\r'])) {
            self = self.field(name, line);
        }
        self
    }

    /// A line break in a field would begin another one, and so is not let through.
    fn field(mut self, name: &str, value: &str) -> Self {
        self.text.push_str(name);
        self.text.push_str(": ");
        self.text.extend(value.chars().filter(|char| !matches!(char, '\n' | '\r' | '\0')));
        self.text.push('\n');
        self
    }
}

/// Events as a response, for as long as the stream goes on or the client listens.
///
/// ```
/// use std::time::Duration;
/// use futures::stream;
/// use wavetank_web::{App, Sse, SseEvent};
///
/// let mut app = App::new();
/// app.at("/events").get(async || Sse::new(stream::iter([SseEvent::new("hello").named("greeting")])));
/// ```
pub struct Sse {
    events: Pin<Box<dyn Stream<Item = Event>>>,
    beat: Option<Beat>,
}

struct Beat {
    sleep: Pin<Box<dyn Sleep>>,
    again: Box<dyn Fn() -> Pin<Box<dyn Sleep>>>,
}

impl Sse {
    /// Sends these.
    pub fn new(events: impl Stream<Item = Event> + 'static) -> Self {
        Self { events: Box::pin(events), beat: None }
    }

    /// Sends a comment when there has been nothing to send for so long, so that whatever is between does not take the
    /// connection for dead, and a client that is gone is noticed.
    #[must_use]
    pub fn keep_alive(mut self, timer: impl Timer + 'static, every: Duration) -> Self {
        let again = move || timer.sleep(every);
        self.beat = Some(Beat { sleep: again(), again: Box::new(again) });
        self
    }
}

impl Stream for Sse {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(event) = this.events.as_mut().poll_next(cx) {
            if let Some(beat) = &mut this.beat {
                beat.sleep = (beat.again)();
            }
            return Poll::Ready(event.map(|mut event| {
                event.text.push('\n');
                Ok(event.text.into())
            }));
        }
        let Some(beat) = &mut this.beat else {
            return Poll::Pending;
        };
        ready!(beat.sleep.as_mut().poll(cx));
        beat.sleep = (beat.again)();
        Poll::Ready(Some(Ok(Bytes::from_static(b":\n\n"))))
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from_stream(self));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse").finish_non_exhaustive()
    }
}

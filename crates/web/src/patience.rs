//! How long a body may stand still: senders that never end would otherwise pile up.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http_body::{Frame, SizeHint};
use model::limit;
use tokio::time::{Instant, Sleep};

/// Gives the request a body that breaks off when nothing comes for [`limit::BODY_IDLE`].
pub(crate) async fn limited(request: Request) -> Request {
    request.map(|body| {
        let idle = Box::pin(tokio::time::sleep(limit::BODY_IDLE));
        Body::new(Patient { body, idle })
    })
}

struct Patient {
    body: Body,
    idle: Pin<Box<Sleep>>,
}

impl HttpBody for Patient {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.idle.as_mut().reset(Instant::now() + limit::BODY_IDLE);
            return Poll::Ready(frame);
        }
        let waited = self.idle.as_mut().poll(cx);
        waited.map(|()| {
            let why = format!("nothing came for {} s", limit::BODY_IDLE.as_secs());
            Some(Err(axum::Error::new(why)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

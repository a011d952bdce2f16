//! Health of our own.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use model::words;

use crate::App;

/// Answers as long as the process does.
pub(crate) async fn healthy() -> &'static str {
    "ok\n"
}

/// Answers 200 when the store answers and every loop turns, else 503 with the names of what does not. Rows that
/// were set aside keep nothing from working; a second line counts them.
///
/// The loops write at every turn, so a store that takes no write shows in them. Anybody may ask, so why
/// it does not stands in the log only.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let mut faults = Vec::new();
    let aside = app.store.read(store::set_aside::count).await;
    if let Err(error) = &aside {
        tracing::error!(error = %error, "the store does not answer: {error}");
        faults.push("store");
    }
    // A loop's supervisor logs each failed turn.
    for (name, status) in app.supervisor.iter().flat_map(runtime::Supervisor::status) {
        if status.failures >= 3 {
            faults.push(name);
        }
    }
    if faults.is_empty() {
        match aside {
            Ok(rows) if rows > 0 => {
                let rows = words::counted(rows, "stored row");
                format!("ready\n{rows} that cannot be read: set aside\n").into_response()
            }
            _ => "ready\n".into_response(),
        }
    } else {
        let names = format!("not ready: {}\n", faults.join(", "));
        (StatusCode::SERVICE_UNAVAILABLE, names).into_response()
    }
}

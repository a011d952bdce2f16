//! Which request gets which answer.

use crate::catalogue;
use crate::http::{Request, Response};
use crate::metrics::Metrics;
use crate::payment::{Card, Outcome, pay};
use crate::release::Release;

/// Names a route in the metrics; unknown paths share one name, so that nobody can make up series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    Home,
    Products,
    Pay,
    Healthz,
    Metrics,
    Other,
}

impl Route {
    fn of(path: &str) -> Route {
        match path {
            "/" => Route::Home,
            "/products" => Route::Products,
            "/pay" => Route::Pay,
            "/healthz" => Route::Healthz,
            "/metrics" => Route::Metrics,
            _ => Route::Other,
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Route::Home => "/",
            Route::Products => "/products",
            Route::Pay => "/pay",
            Route::Healthz => "/healthz",
            Route::Metrics => "/metrics",
            Route::Other => "other",
        }
    }
}

/// Is an answer and what is to be counted of it.
pub(crate) struct Answer {
    pub(crate) route: Route,
    pub(crate) response: Response,
    pub(crate) payment: Option<Outcome>,
}

/// Answers a request; it reads `metrics` for its own page and counts nothing.
pub(crate) fn answer(request: &Request, release: &Release, metrics: &Metrics) -> Answer {
    let path = request.target.split('?').next().unwrap_or_default();
    let route = Route::of(path);
    let mut payment = None;
    let response = match (route, request.method.as_str()) {
        (Route::Pay, "POST") => {
            let (response, outcome) = pay_by_form(&request.body, release);
            payment = outcome;
            response
        }
        (Route::Home, "GET") => Response::html(catalogue::as_page(release.version)),
        (Route::Products, "GET") => Response::json(200, catalogue::as_json()),
        (Route::Healthz, "GET") => Response::json(200, health(release.version)),
        (Route::Metrics, "GET") => Response::exposition(metrics.exposition(release.version)),
        (Route::Other, _) => Response::text(404, "there is no such page"),
        (Route::Pay, _) => Response::not_allowed("POST"),
        (_, _) => Response::not_allowed("GET"),
    };
    Answer {
        route,
        response,
        payment,
    }
}

fn health(version: &str) -> String {
    format!("{{\"status\":\"ok\",\"version\":\"{version}\"}}\n")
}

fn pay_by_form(body: &[u8], release: &Release) -> (Response, Option<Outcome>) {
    let Some((card, amount_cents)) = payment_form(body) else {
        let help = "write card=<16 digits>&amount=<cents>, at least 1 cent";
        return (Response::text(400, help), None);
    };
    let outcome = pay(&card, amount_cents, release.check_digit);
    let (code, result) = match outcome {
        Outcome::Paid => (200, "paid"),
        Outcome::Declined => (402, "declined"),
        Outcome::Failed => (500, "failed"),
    };
    let json = format!("{{\"result\":\"{result}\"}}\n");
    (Response::json(code, json), Some(outcome))
}

fn payment_form(body: &[u8]) -> Option<(Card, u32)> {
    let (mut card, mut amount_cents) = (None, None);
    for field in std::str::from_utf8(body).ok()?.trim_end().split('&') {
        match field.split_once('=')? {
            ("card", digits) => card = Some(Card::parse(digits)?),
            ("amount", cents) => amount_cents = Some(cents.parse().ok().filter(|c| *c > 0)?),
            _ => {}
        }
    }
    Some((card?, amount_cents?))
}

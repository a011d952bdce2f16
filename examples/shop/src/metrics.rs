//! What the shop counts, and the Prometheus text it shows.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::payment::Outcome;
use crate::routes::Route;

/// Upper bounds of the latency buckets in seconds; the shop answers in less than a millisecond.
const BOUNDS_S: [f64; 10] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0,
];

/// Is all counters behind one lock, so that a scrape sees one moment of all of them.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<Counters>);

#[derive(Default)]
struct Counters {
    payments: Payments,
    requests: BTreeMap<(Route, u16), u64>,
    latency: BTreeMap<Route, Latency>,
}

#[derive(Default)]
struct Payments {
    paid: u64,
    declined: u64,
    failed: u64,
}

#[derive(Default)]
struct Latency {
    /// Per bound, not cumulative; what is slower stands only in `count`.
    buckets: [u64; BOUNDS_S.len()],
    count: u64,
    sum_s: f64,
}

/// Is one answered request.
pub(crate) struct Answered {
    pub(crate) route: Route,
    pub(crate) code: u16,
    pub(crate) took: Duration,
    /// For a request that reached the bank.
    pub(crate) payment: Option<Outcome>,
}

impl Metrics {
    pub(crate) fn count(&self, answered: &Answered) {
        let mut counters = self.lock();
        match answered.payment {
            Some(Outcome::Paid) => counters.payments.paid += 1,
            Some(Outcome::Declined) => counters.payments.declined += 1,
            Some(Outcome::Failed) => counters.payments.failed += 1,
            None => {}
        }
        let request = (answered.route, answered.code);
        *counters.requests.entry(request).or_default() += 1;
        let latency = counters.latency.entry(answered.route).or_default();
        latency.observe(answered.took.as_secs_f64());
    }

    /// Writes the exposition, text format 0.0.4.
    pub(crate) fn exposition(&self, version: &str) -> String {
        let mut out = String::with_capacity(8 << 10);
        self.lock()
            .write(version, &mut out)
            .expect("writing to a String cannot fail");
        out
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latency {
    fn observe(&mut self, seconds: f64) {
        if let Some(bucket) = BOUNDS_S.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum_s += seconds;
    }
}

impl Counters {
    fn write(&self, version: &str, out: &mut String) -> std::fmt::Result {
        head(out, "shop_info", "gauge", "The release that runs.")?;
        writeln!(out, "shop_info{{version=\"{version}\"}} 1")?;
        self.write_payments(out)?;
        head(out, "http_requests_total", "counter", "Answered requests.")?;
        for ((route, code), count) in &self.requests {
            let route = route.label();
            writeln!(
                out,
                "http_requests_total{{route=\"{route}\",code=\"{code}\"}} {count}"
            )?;
        }
        let name = "http_request_duration_seconds";
        head(
            out,
            name,
            "histogram",
            "From the last byte read to the answer made.",
        )?;
        for (route, latency) in &self.latency {
            latency.write(name, route.label(), out)?;
        }
        Ok(())
    }

    /// All results from the first scrape on: a counter that appears with its first failure would hide
    /// that failure from whoever looks at growth.
    fn write_payments(&self, out: &mut String) -> std::fmt::Result {
        head(
            out,
            "pay_total",
            "counter",
            "Payments by result; failed ones are our fault.",
        )?;
        for (result, count) in [
            ("paid", self.payments.paid),
            ("declined", self.payments.declined),
            ("failed", self.payments.failed),
        ] {
            writeln!(out, "pay_total{{result=\"{result}\"}} {count}")?;
        }
        Ok(())
    }
}

impl Latency {
    fn write(&self, name: &str, route: &str, out: &mut String) -> std::fmt::Result {
        let mut below = 0;
        for (bound, count) in BOUNDS_S.iter().zip(self.buckets) {
            below += count;
            writeln!(
                out,
                "{name}_bucket{{route=\"{route}\",le=\"{bound}\"}} {below}"
            )?;
        }
        writeln!(
            out,
            "{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {}",
            self.count
        )?;
        writeln!(out, "{name}_sum{{route=\"{route}\"}} {}", self.sum_s)?;
        writeln!(out, "{name}_count{{route=\"{route}\"}} {}", self.count)
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

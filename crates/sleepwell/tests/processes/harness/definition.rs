//! The services the tests ship, and how `sleepwell.yaml` describes them.

use super::inbox::Doors;

/// Is a `sleepwell.yaml` in parts; a test changes those it is about.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) artifact: String,
    pub(crate) exec: String,
    pub(crate) ports: String,
    pub(crate) health: String,
    pub(crate) rings: String,
    /// The keys of `strategy: blue_green`, instead of rings.
    pub(crate) slots: Option<String>,
    pub(crate) stop_timeout: &'static str,
    /// What follows, whole.
    pub(crate) more: String,
}

/// One host first, then the others, each ring watched for a second.
pub(crate) const CANARY_THEN_REST: &str = "[{ name: canary, hosts: 1, bake: 1s, deadline: 60s }, { name: everyone, hosts: rest, bake: 1s, deadline: 60s }]";

pub(crate) const ONE_RING: &str = "[{ name: everyone, hosts: rest, bake: 1s, deadline: 60s }]";

const PAYMENT_ERRORS: &str = "
metrics: { scrape: 'http://127.0.0.1:${PORT}/metrics', interval: 1s }
signals:
  payment_errors: { level: business, kind: count, bad: 'pay_total{result=\"failed\"}', total: pay_total, critical: true }
";

impl Definition {
    /// Describes a script that is healthy on a host unless [`gate`] is there.
    pub(crate) fn gated() -> Self {
        Self {
            artifact: "svc".into(),
            exec: "[\"./svc\"]".into(),
            ports: "[]".into(),
            health: "{ exec: [\"./svc\", \"check\"], interval: 200ms, ok_after: 1, deadline: 60s }"
                .into(),
            rings: CANARY_THEN_REST.into(),
            slots: None,
            stop_timeout: "1s",
            more: String::new(),
        }
    }

    /// Describes the example shop, judged by its payments.
    pub(crate) fn shop() -> Self {
        Self {
            artifact: "shop".into(),
            exec: "[\"./shop\", \"--listen\", \"127.0.0.1:${PORT}\"]".into(),
            ports: "[8101, 8102]".into(),
            health:
                "{ http: /healthz, interval: 200ms, ok_after: 2, timeout: 500ms, deadline: 10s }"
                    .into(),
            rings: CANARY_THEN_REST.into(),
            slots: None,
            stop_timeout: "1s",
            more: PAYMENT_ERRORS.into(),
        }
    }

    pub(crate) fn with_rings(self, rings: &str) -> Self {
        let rings = rings.to_owned();
        Self { rings, ..self }
    }

    pub(crate) fn with_slots(self, keys: &str) -> Self {
        let slots = Some(keys.to_owned());
        Self { slots, ..self }
    }

    pub(crate) fn yaml(&self, doors: Doors) -> String {
        let Self {
            artifact,
            exec,
            ports,
            health,
            rings,
            slots,
            stop_timeout,
            more,
        } = self;
        let way = match slots {
            Some(keys) => format!("strategy: blue_green\n    {keys}"),
            None => format!("strategy: rings\n    max_unavailable: 1\n    rings: {rings}"),
        };
        let webhook = format!("http://{}/hook", doors.http);
        format!(
            "service: svc
owner: {{ team: team-svc, mail: svc-team@example.test, webhook: '{webhook}' }}
artifact: {{ path: {artifact} }}
run: {{ exec: {exec}, ports: {ports}, stop_timeout: {stop_timeout} }}
health: {health}
environments:
  production:
    hosts: {{ role: web }}
    warmup: 1s
    {way}
{more}"
        )
    }
}

/// Returns a script that runs until it is ended, and with the word `check` tells whether its gate is
/// open. It starts in `<base>/svc/releases/<release>`.
pub(crate) fn script(version: &str) -> String {
    let gate = gate(version);
    format!("#!/bin/sh\n[ \"$1\" = check ] && exec test ! -e ../../../{gate}\nexec sleep 86400\n")
}

/// Returns the file in an agent's base folder that makes a version of the script unhealthy there.
pub(crate) fn gate(version: &str) -> String {
    format!("closed-{version}")
}

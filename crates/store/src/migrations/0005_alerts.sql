-- Alerts, the incidents that grow of them, and what the outbox has to know to send the urgent first and no
-- receiver too much.

CREATE TABLE judge_alert (
  number BIGINT PRIMARY KEY,
  service TEXT NOT NULL,
  dedup_key TEXT NOT NULL,
  open BIGINT NOT NULL,
  ends_us BIGINT NOT NULL,
  incident BIGINT,
  -- Something happened that the incidents have not looked at.
  news BIGINT NOT NULL,
  body TEXT NOT NULL
);
-- What is open decides which alert is meant.
CREATE UNIQUE INDEX judge_alert_open ON judge_alert (service, dedup_key) WHERE open = 1;
CREATE INDEX judge_alert_ends ON judge_alert (ends_us) WHERE open = 1;
CREATE INDEX judge_alert_news ON judge_alert (number) WHERE news = 1;
CREATE INDEX judge_alert_incident ON judge_alert (incident, number);

CREATE TABLE act_incident (
  number BIGINT PRIMARY KEY,
  service TEXT NOT NULL,
  alerts_named TEXT NOT NULL,
  open BIGINT NOT NULL,
  due_us BIGINT,
  body TEXT NOT NULL
);
CREATE UNIQUE INDEX act_incident_open ON act_incident (service, alerts_named) WHERE open = 1;
CREATE INDEX act_incident_kind ON act_incident (service, alerts_named, number);
CREATE INDEX act_incident_due ON act_incident (due_us) WHERE due_us IS NOT NULL;

-- Whom a message goes through: a host, or the mail server. Rows of an earlier program have none.
ALTER TABLE outbox ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN urgent BIGINT NOT NULL DEFAULT 0;
-- The change or incident it is about, as its subject in the journal.
ALTER TABLE outbox ADD COLUMN about TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_about ON outbox (about, id);

CREATE INDEX observe_change_service ON observe_change (service, number);

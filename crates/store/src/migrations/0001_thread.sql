-- Everything one thread through the loop needs. Times are microseconds since 1970 in UTC, named _us.
-- Documents (body) are JSON of the model's noun; what is searched or kept unique has a column.

CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL);

CREATE TABLE journal_entry (
  id TEXT PRIMARY KEY,
  at_us BIGINT NOT NULL,
  subject TEXT NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  causes TEXT NOT NULL,
  body TEXT NOT NULL,
  hash TEXT NOT NULL,
  seq BIGINT UNIQUE,
  chain TEXT
);
CREATE INDEX journal_entry_subject ON journal_entry (subject, id);
CREATE INDEX journal_entry_unsealed ON journal_entry (id) WHERE seq IS NULL;

-- How far a reader of the journal has come.
CREATE TABLE journal_cursor (reader TEXT PRIMARY KEY, seq BIGINT NOT NULL);

CREATE TABLE lease (
  name TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  fence BIGINT NOT NULL,
  until_us BIGINT NOT NULL
);

CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  open BIGINT NOT NULL,
  due_us BIGINT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_us) WHERE open = 1;

CREATE TABLE token (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  host TEXT,
  created_us BIGINT NOT NULL,
  expires_us BIGINT,
  revoked_us BIGINT,
  used_us BIGINT
);

CREATE TABLE deliver_artifact (digest TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE deliver_release (
  service TEXT NOT NULL,
  number BIGINT NOT NULL,
  version TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (service, number),
  UNIQUE (service, version)
);

CREATE TABLE deliver_host (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  machine_id TEXT NOT NULL,
  revision BIGINT NOT NULL,
  last_seen_us BIGINT NOT NULL,
  body TEXT NOT NULL
);

CREATE TABLE deliver_desired (
  host TEXT NOT NULL,
  service TEXT NOT NULL,
  environment TEXT NOT NULL,
  generation BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (host, service)
);
CREATE INDEX deliver_desired_service ON deliver_desired (service, environment);

CREATE TABLE deliver_reported (
  host TEXT NOT NULL,
  service TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (host, service)
);

CREATE TABLE deliver_rollout (
  change BIGINT PRIMARY KEY,
  service TEXT NOT NULL,
  environment TEXT NOT NULL,
  over BIGINT NOT NULL,
  version BIGINT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX deliver_rollout_service ON deliver_rollout (service, environment, change);
-- Two rollouts never own one ring: at most one of a service and environment is not over.
CREATE UNIQUE INDEX deliver_rollout_running ON deliver_rollout (service, environment) WHERE over = 0;

CREATE TABLE agent_event (
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  seq BIGINT NOT NULL,
  at_us BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (host, boot, seq)
);

CREATE TABLE observe_change (
  number BIGINT PRIMARY KEY,
  service TEXT NOT NULL,
  environment TEXT NOT NULL,
  state TEXT NOT NULL,
  updated_us BIGINT NOT NULL,
  body TEXT NOT NULL
);

CREATE TABLE judge_test (change BIGINT PRIMARY KEY, last_look TEXT NOT NULL, body TEXT NOT NULL);

CREATE TABLE judge_verdict (
  id TEXT PRIMARY KEY,
  number BIGINT NOT NULL UNIQUE,
  change BIGINT NOT NULL,
  entry TEXT NOT NULL,
  handled BIGINT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX judge_verdict_change ON judge_verdict (change, number);
CREATE INDEX judge_verdict_unhandled ON judge_verdict (number) WHERE handled = 0;

CREATE TABLE act_action (
  key TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  change BIGINT NOT NULL,
  at_us BIGINT NOT NULL
);
CREATE INDEX act_action_change ON act_action (change);

-- The name of a retired host may be another machine's; only those that are expected have one of their own.
CREATE TABLE deliver_host_named (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  machine_id TEXT NOT NULL,
  revision BIGINT NOT NULL,
  last_seen_us BIGINT NOT NULL,
  retired BIGINT NOT NULL,
  body TEXT NOT NULL
);
INSERT INTO deliver_host_named (id, name, machine_id, revision, last_seen_us, retired, body)
  SELECT id, name, machine_id, revision, last_seen_us,
    CASE WHEN body LIKE '%"retired_at":null%' THEN 0 ELSE 1 END, body
  FROM deliver_host;
DROP TABLE deliver_host;
ALTER TABLE deliver_host_named RENAME TO deliver_host;
CREATE UNIQUE INDEX deliver_host_expected ON deliver_host (name) WHERE retired = 0;
-- The one host a join token was made for; none: any that is new.
ALTER TABLE token ADD COLUMN for_host TEXT;

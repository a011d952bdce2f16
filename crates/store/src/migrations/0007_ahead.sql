-- Hosts that have seen newer orders than this server knows of. An empty service is the epoch.
CREATE TABLE deliver_ahead (
  host TEXT NOT NULL,
  service TEXT NOT NULL,
  seen BIGINT NOT NULL,
  ours BIGINT NOT NULL,
  PRIMARY KEY (host, service)
);
-- What a host keeps running after such a server adopted it: known here, and not asked for.
ALTER TABLE deliver_desired ADD COLUMN held BIGINT NOT NULL DEFAULT 0;

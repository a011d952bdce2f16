-- What other tools deliver: webhooks of git hosts, CDEvents. A repeat has the same origin, sender and key.

CREATE TABLE deliver_delivery (
  origin TEXT NOT NULL,
  sender TEXT NOT NULL,
  key TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (origin, sender, key)
);
CREATE INDEX deliver_delivery_at ON deliver_delivery (origin, at_us);

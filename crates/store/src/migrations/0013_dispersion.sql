-- What each quarter of an hour said about the noise between the hosts of what was live, by signal. Quarters are
-- counted from the epoch.
CREATE TABLE judge_dispersion (
  service TEXT NOT NULL,
  environment TEXT NOT NULL,
  signal TEXT NOT NULL,
  quarter BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (service, environment, signal, quarter)
);
CREATE INDEX judge_dispersion_quarter ON judge_dispersion (quarter);

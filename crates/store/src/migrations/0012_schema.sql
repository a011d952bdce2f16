-- The schema of each service's data, as whoever migrates it says.
CREATE TABLE deliver_schema (
  service TEXT NOT NULL,
  environment TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (service, environment)
);

-- Services of which some release says what it can live with, and who calls whom: where neither has a row,
-- no rollout has to be compared with anything. No release from before said anything of it.
CREATE TABLE deliver_compatible (service TEXT PRIMARY KEY);
CREATE TABLE deliver_call (callee TEXT NOT NULL, caller TEXT NOT NULL, PRIMARY KEY (callee, caller));

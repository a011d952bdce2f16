-- Rows of the loops' lists that this program cannot read. Each was taken off its list, and is kept as it is.
CREATE TABLE set_aside (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (kind, id)
);

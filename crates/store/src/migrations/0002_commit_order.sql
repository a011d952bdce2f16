-- The order in which entries were committed, which is the one they are sealed in. Entries written before
-- have 0, and are sealed first, in the order of their ids.
ALTER TABLE journal_entry ADD COLUMN written BIGINT NOT NULL DEFAULT 0;
DROP INDEX journal_entry_unsealed;
CREATE INDEX journal_entry_unsealed ON journal_entry (written, id) WHERE seq IS NULL;

-- Rules of the calendar that keep releases back, by the name people gave them.

CREATE TABLE deliver_freeze (name TEXT PRIMARY KEY, body TEXT NOT NULL);

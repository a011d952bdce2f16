-- What happened on a host is forgotten by its time.
CREATE INDEX agent_event_at ON agent_event (host, at_us);

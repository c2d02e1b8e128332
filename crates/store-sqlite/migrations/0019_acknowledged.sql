-- The few of the open incidents that somebody has acknowledged, in the order of lists. A trigger writes nothing into it.
CREATE INDEX incidents_acknowledged ON incidents (id) WHERE status = 'acknowledged';

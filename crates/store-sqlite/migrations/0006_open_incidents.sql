-- Holds all that counting and ranking the open incidents reads, so that neither visits the others, or the rows themselves.
CREATE INDEX incidents_open_rank ON incidents (status, severity, id, service_id) WHERE status <> 'resolved';

-- The deliveries that their webhook wanted no more, by how they ended, in the order of lists. One that is sent is never in it.
CREATE INDEX deliveries_ended ON deliveries (webhook_id, ended_as, id) WHERE ended_as IS NOT NULL;

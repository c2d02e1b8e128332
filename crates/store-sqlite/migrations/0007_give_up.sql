-- Giving up: who gave up a delivery while it waited. It is dead since its finished_at then, with the failure given_up.
ALTER TABLE deliveries ADD COLUMN given_up_by TEXT;

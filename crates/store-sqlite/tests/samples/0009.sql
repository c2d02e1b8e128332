-- Ticket links in every state; of the first one the ticket was told something, and a delivery waits with notes written.
INSERT INTO incidents (id, title, status, severity, service_id, created_at, updated_at)
SELECT unhex(printf('%032x', 50 + value)), 'a ticket''s', 'triggered', 'info', unhex(printf('%032x', 6)), 1, 1
FROM json_each('[0, 1, 2, 3, 4]');
INSERT INTO ticket_links (webhook_id, incident_id, state, generation, version, event_sequence, creates, intended_at, hinted,
    ticket_id, ticket_key, ticket_url, phase, status, seen, comments_until, look_at, is_asked, created_at, updated_at)
VALUES
    (unhex(printf('%032x', 33)), unhex(printf('%032x', 50)), 'linked', 1, 7, 3, 2, NULL, NULL, '50', 'OPS-50',
     'https://example.com/OPS-50', 'in_progress', 'Do"ing', 'new', 5, 6, 1, 1, 2),
    (unhex(printf('%032x', 33)), unhex(printf('%032x', 51)), 'intended', 1, 1, 0, 1, 77, '51', NULL, NULL, NULL, NULL, NULL,
     NULL, 5, NULL, 0, 1, 2),
    (unhex(printf('%032x', 33)), unhex(printf('%032x', 52)), 'wanted', 1, 1, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, 5, NULL, 1, 1, 2),
    (unhex(printf('%032x', 33)), unhex(printf('%032x', 53)), 'absent', 1, 1, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, 5, NULL, 0, 1, 2),
    (unhex(printf('%032x', 33)), unhex(printf('%032x', 54)), 'unlinked', 2, 3, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, 5, NULL, 0, 1, 2);
INSERT INTO memories (webhook_id, incident_id, memory, event_sequence, updated_at)
VALUES (unhex(printf('%032x', 33)), unhex(printf('%032x', 50)), '{"ticket":"50","assignee":"usr_1","event":"evt_1"}', 3, 2);
INSERT INTO events (sequence, id, incident_id, name, at, actor, body)
VALUES (9, unhex(printf('%032x', 59)), unhex(printf('%032x', 50)), 'incident.escalated', 1, 'system', x'7b7d');
INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, attempts_made, progress)
VALUES (unhex(printf('%032x', 60)), unhex(printf('%032x', 33)), unhex(printf('%032x', 50)), 9, 'scheduled', 1, 1, 0,
        '{"version":1,"noted":["evt_9"],"user":null}');
UPDATE ledger SET accepted = accepted + 1 WHERE webhook_id = unhex(printf('%032x', 33));

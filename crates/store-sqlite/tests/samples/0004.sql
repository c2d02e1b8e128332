-- A ticket that was made in two steps, with its link.
INSERT INTO events (sequence, id, incident_id, name, at, actor, body)
VALUES (3, unhex(printf('%032x', 13)), unhex(printf('%032x', 8)), 'incident.acknowledged', 1, 'system', x'7b7d');
INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, finished_at, attempts_made,
    steps)
VALUES (unhex(printf('%032x', 44)), unhex(printf('%032x', 33)), unhex(printf('%032x', 8)), 3, 'delivered', 1, 1, 2, 2, 1);
UPDATE ledger SET accepted = accepted + 1 WHERE webhook_id = unhex(printf('%032x', 33));
INSERT INTO attempts (delivery_id, id, number, started_at, outcome, status, total_us, request_head, response_head,
    response_body, response_body_truncated, remedy, note)
VALUES (unhex(printf('%032x', 44)), unhex(printf('%032x', 1)), 1, 1, 'delivered', 200, 9, '', '', x'', 0, 'step', 'look for it'),
       (unhex(printf('%032x', 44)), unhex(printf('%032x', 2)), 2, 1, 'delivered', 201, 9, '', '', x'', 0, NULL, 'make it');
INSERT INTO ticket_links (webhook_id, incident_id, state, ticket_id, ticket_key, ticket_url, phase, status, seen,
    comments_until, created_at, updated_at)
VALUES (unhex(printf('%032x', 33)), unhex(printf('%032x', 8)), 'linked', '1', 'OPS-1', 'https://example.com/OPS-1',
            'in_progress', 'Doing', 'new', 0, 1, 1);

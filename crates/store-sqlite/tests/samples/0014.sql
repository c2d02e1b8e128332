-- A webhook that hears of operational events, is tried by canaries, wants the newest event only, and from which another one
-- has taken over; a notice that is still to be told.
INSERT INTO webhooks (id, name, kind, url, events, services, severities, retry_schedule, timeout_ms, concurrency, ordering,
    when_disabled, secret, header_names, created_at, updated_at, operational_events, canary_hours, canary_due_at, canary_at,
    canary_failure, after_outage, fallback_id, fallback_after_ms)
VALUES (unhex(printf('%032x', 81)), 'newest', 'generic', 'https://example.com/', 31, '', '', '60000', 10000, 16, 'incident',
            'hold', x'00', '[]', 1, 1, 3, 24, 90000000, 3600000, 'timeout', 'newest', unhex(printf('%032x', 3)), 600000);
INSERT INTO ledger VALUES (unhex(printf('%032x', 81)), 3, 0);
UPDATE ledger SET accepted = accepted + 1 WHERE webhook_id = unhex(printf('%032x', 3));
INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, attempts_made, created_at, finished_at,
    last_failure, ended_as, replayed_at, fallback_of, taken_over_by)
VALUES (unhex(printf('%032x', 82)), unhex(printf('%032x', 81)), unhex(printf('%032x', 7)), 1, 'dead', 1, 0, 1, 2,
            'given_up', 'superseded', NULL, NULL, NULL),
       (unhex(printf('%032x', 83)), unhex(printf('%032x', 81)), unhex(printf('%032x', 7)), 2, 'delivered', 2, 1, 2, 3,
            NULL, NULL, 2, NULL, NULL),
       (unhex(printf('%032x', 84)), unhex(printf('%032x', 81)), unhex(printf('%032x', 8)), 3, 'dead', 1, 0, 1, 2,
            'server_error', NULL, NULL, NULL, unhex(printf('%032x', 85))),
       (unhex(printf('%032x', 85)), unhex(printf('%032x', 3)), unhex(printf('%032x', 8)), 3, 'delivered', 2, 1, 2, 3,
            NULL, NULL, NULL, unhex(printf('%032x', 84)), NULL);
INSERT INTO attempts (delivery_id, id, number, started_at, outcome, status, total_us, request_head, response_head, response_body,
    response_body_truncated)
VALUES (unhex(printf('%032x', 83)), unhex(printf('%032x', 86)), 1, 2, 'delivered', 200, 9, '', '', x'', 0),
       (unhex(printf('%032x', 85)), unhex(printf('%032x', 87)), 1, 2, 'delivered', 200, 9, '', '', x'', 0);
INSERT INTO operational_notices (name, subject, subject_id, subject_name, reason, count, at, due_at)
VALUES ('delivery.dead', unhex(printf('%032x', 81)), 'whk_00000000000000000000000000000051', 'newest', 'server_error', 1, 2, 60002);

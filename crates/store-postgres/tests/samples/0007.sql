-- A source with an alert that fires and the request that told of it, and a budget that somebody has used.
INSERT INTO sources (id, service_id, kind, name, key, key_hash, options, storm_max_alerts, storm_window_ms, flap_max_changes,
    flap_window_ms, is_enabled, created_at, last_request_at)
VALUES (id(70), id(6), 'alertmanager', 'Prometheus', '\x00', decode(repeat('00', 32), 'hex'),
            '{"alertUnit":"alert","mapping":{}}', 30, 60000, 6, 900000, TRUE, 1, 2);
INSERT INTO source_alerts (source_id, key, title, severity, incident_id, is_in_storm, is_firing, count, first_at, last_at,
    changes, changes_at, is_flapping)
VALUES (id(70), 'abc123', 'broken', 'critical', id(7), FALSE, TRUE, 1, 2, 2, 0, 2, FALSE);
INSERT INTO source_requests (source_id, id, at, method, path, remote_address, body, body_truncated, status, result)
VALUES (id(70), id(71), 2, 'POST', '', '192.0.2.7', '\x7b7d', FALSE, 200,
            '{"counts":{"opened":1},"alerts":[{"key":"abc123","title":"broken","outcome":"opened","incident_id":"inc_00000000000000000000000000000007"}]}');
INSERT INTO budgets VALUES (decode(repeat('00', 32), 'hex'), 5);

-- A source with an alert that fires and the request that told of it, and a budget that somebody has used.
INSERT INTO sources (id, service_id, kind, name, key, key_hash, options, storm_max_alerts, storm_window_ms, flap_max_changes,
    flap_window_ms, is_enabled, created_at, last_request_at)
VALUES (unhex(printf('%032x', 70)), unhex(printf('%032x', 6)), 'alertmanager', 'Prometheus', x'00', zeroblob(32),
            '{"alertUnit":"alert","mapping":{}}', 30, 60000, 6, 900000, 1, 1, 2);
INSERT INTO source_alerts (source_id, key, title, severity, incident_id, is_in_storm, is_firing, count, first_at, last_at,
    changes, changes_at, is_flapping)
VALUES (unhex(printf('%032x', 70)), 'abc123', 'broken', 'critical', unhex(printf('%032x', 7)), 0, 1, 1, 2, 2, 0, 2, 0);
INSERT INTO source_requests (source_id, id, at, method, path, remote_address, body, body_truncated, status, result)
VALUES (unhex(printf('%032x', 70)), unhex(printf('%032x', 71)), 2, 'POST', '', '192.0.2.7', x'7b7d', 0, 200,
            '{"counts":{"opened":1},"alerts":[{"key":"abc123","title":"broken","outcome":"opened","incident_id":"inc_00000000000000000000000000000007"}]}');
INSERT INTO budgets VALUES (zeroblob(32), 5);

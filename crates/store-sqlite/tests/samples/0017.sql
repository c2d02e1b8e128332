-- A key that is restricted to a service.
INSERT INTO api_keys (id, name, hash, hint, scopes, created_at, restriction)
VALUES (unhex(printf('%032x', 90)), 'display', zeroblob(32), 'ok_833510', 0, 1,
            '{"scopes":256,"services":["svc_00000000000000000000000000000006"],"events":null}');

-- A key that is restricted to a service.
INSERT INTO api_keys (id, name, hash, hint, scopes, created_at, restriction)
VALUES (id(90), 'display', decode(repeat('00', 32), 'hex'), 'ok_833510', 0, 1,
            '{"scopes":256,"services":["svc_00000000000000000000000000000006"],"events":null}');

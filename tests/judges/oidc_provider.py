"""An OpenID provider by oidc-provider-mock, whose core is Authlib, with three people.

Prints one line of JSON with its address, and ends with its input."""
import json
import sys
import threading

sys.dont_write_bytecode = True

from oidc_provider_mock import User, app
from werkzeug.serving import make_server

PEOPLE = {
    "ada": {"name": "Ada Lovelace", "email": "ada@id.example", "groups": ["staff", "on-call"]},
    "grace": {"name": "Grace Hopper", "email": "grace@id.example", "groups": ["staff", "ops-admins"]},
    "mallory": {"name": "Mallory", "email": "mallory@id.example", "groups": ["guests"]},
}

people = [User(sub=name, claims=claims) for name, claims in PEOPLE.items()]
server = make_server("127.0.0.1", 0, app(require_nonce=True, user_claims=people), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"issuer": f"http://127.0.0.1:{server.server_port}"}), flush=True)
sys.stdin.read()

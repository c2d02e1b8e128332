"""A receiver with FastAPI: verifies, answers at once, works later, and does nothing twice.

    pip install -r requirements.txt && SECRET=… uvicorn receiver:app --port 9000
"""

import base64, hashlib, hmac, json, os, queue, re, threading, time, uuid
from pathlib import Path

from fastapi import FastAPI, Request, Response

SECRET, FOLDER = os.environ["SECRET"], Path(os.environ.get("FOLDER", "received"))
KEY = base64.b64decode(SECRET[6:]) if SECRET.startswith("whsec_") else SECRET.encode()
EVENTS, DONE = FOLDER / "events", FOLDER / "done"
for folder in (EVENTS, DONE):
    folder.mkdir(parents=True, exist_ok=True)


def is_valid(id: str, at: str, signatures: str, body: bytes) -> bool:
    """Standard Webhooks: this signature covers the id too, so that nobody can make a delivery look like another one."""
    mac = hmac.new(KEY, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(mac)
    is_fresh = at.isdecimal() and abs(time.time() - int(at)) < 300
    fits = [hmac.compare_digest(given.encode(), expected) for given in signatures.split(" ")]
    return bool(re.fullmatch(r"\w+", id, re.ASCII)) and is_fresh and any(fits)


def keep(id: str, body: bytes) -> bool:
    """Whole or not at all, and only once: a link to a name that is taken fails."""
    temporary = FOLDER / uuid.uuid4().hex
    temporary.write_bytes(body)
    try:
        os.link(temporary, EVENTS / id)
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink()


def work() -> None:
    while id := waiting.get():
        event = json.loads((EVENTS / id).read_bytes())
        print(f"worked {id} {event['event']}", flush=True)  # Open the ticket, ask the other service: here it may take its time.
        (DONE / id).touch()


waiting: queue.Queue[str] = queue.Queue()
for event in EVENTS.iterdir():
    if not (DONE / event.name).exists():
        waiting.put(event.name)
threading.Thread(target=work, daemon=True).start()
app = FastAPI()


@app.post("/")
async def receive(request: Request) -> Response:
    body = await request.body()
    id, at, signatures = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not is_valid(id, at, signatures, body):
        return Response(status_code=401)
    if keep(id, body):
        waiting.put(id)
    return Response(status_code=204)

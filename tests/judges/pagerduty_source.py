"""Judges an alert source of the kind pagerduty with PagerDuty's own client of the Events API v2.

    python pagerduty_source.py http://127.0.0.1:8080 <the source's key> <step>

A step is one of fire, fire-again, acknowledge, resolve, refused; whoever runs this looks at the incidents in between.
Written with pagerduty 7.2.0 (pip install pagerduty). Plain asserts.
"""

import sys

from pagerduty import EventsApiV2Client, HttpError

BASE, KEY, STEP = sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3]


def client(key=KEY):
    made = EventsApiV2Client(key)
    # It insists on https where it is told another address.
    made._url = BASE
    made.retry = {}
    return made


events = client()
if STEP in ("fire", "fire-again"):
    assert events.trigger("The shop is down", "shop.example.com", dedup_key="shop", severity="critical") == "shop"
elif STEP == "acknowledge":
    assert events.acknowledge("shop") == "shop"
elif STEP == "resolve":
    assert events.resolve("shop") == "shop"
    events.submit("The shop was deployed", "shop.example.com", timestamp="2026-11-29T10:00:00Z")
elif STEP == "refused":
    try:
        client("0" * 32).trigger("x", "y", dedup_key="z")
        raise AssertionError("taken instead of refused")
    except HttpError as error:
        assert error.response.status_code == 400, error.response.text
    assert events.trigger("A key is made up where none is given", "shop.example.com")
print("all is well")

"""Judges the simulated PagerDuty with PagerDuty's own client of the Events API v2.

    python pagerduty_simulator.py http://127.0.0.1:8089 <routing key>

The account must be fresh. The faults are judged where POST /fail/{name} asks for one, as the host in tests/it/support/platform.rs has it.
Written with pagerduty 7.2.0 (pip install pagerduty). Plain asserts; prints one line for each part.
"""

import sys

import requests
from pagerduty import EventsApiV2Client, HttpError

BASE, KEY = sys.argv[1].rstrip("/"), sys.argv[2]


def client(key=KEY):
    made = EventsApiV2Client(key)
    # It insists on https where it is told another address.
    made._url = BASE
    # It repeats by itself what failed with 5xx.
    made.retry = {}
    return made


def refused(status, attempt):
    try:
        attempt()
    except HttpError as error:
        assert error.response.status_code == status, (error.response.status_code, error.response.text)
        return error.response.text
    raise AssertionError(f"taken instead of refused with {status}")


def judge_events():
    events = client()
    key = events.trigger("The shop is down", "shop.example.com", severity="critical", links=[{"href": "https://shop.example.com"}])
    assert key, "a key is made up where none is given"
    assert events.trigger("The shop is down", "shop.example.com", dedup_key="shop", severity="error", custom_details={"till": 3}) == "shop"
    assert events.trigger("The shop is still down", "shop.example.com", dedup_key="shop") == "shop"
    assert events.acknowledge("shop") == "shop"
    assert events.resolve("shop") == "shop"
    assert events.resolve("never heard of") == "never heard of", "what is not open is accepted and dropped"
    events.submit("The shop was deployed", "shop.example.com", timestamp="2026-11-29T10:00:00Z")
    print("events: well")


def judge_refusals():
    assert "Invalid routing key" in refused(400, lambda: client("0" * 32).resolve("shop"))
    assert "Length of 'routing_key'" in refused(400, lambda: client("e+23rschqsESqk9Q6_-g").resolve("shop"))
    events = client()
    assert "summary" in refused(400, lambda: events.trigger("x" * 1025, "shop.example.com"))
    assert "source" in refused(400, lambda: events.trigger("The shop is down", ""))
    assert "severity" in refused(400, lambda: events.trigger("The shop is down", "shop", severity="fatal"))
    assert "dedup_key" in refused(400, lambda: events.trigger("The shop is down", "shop", dedup_key="x" * 256))
    print("refusals: well")


def judge_faults():
    if requests.post(f"{BASE}/fail/rate_limit").status_code != 204:
        print("faults: not judged, there is no POST /fail/{name} here")
        return
    # The client waits a limit out by itself: it takes ours for a real one.
    assert client().resolve("shop") == "shop"
    requests.post(f"{BASE}/fail/internal")
    refused(500, lambda: client().resolve("shop"))
    print("faults: well")


judge_events()
judge_refusals()
judge_faults()
print("all is well")

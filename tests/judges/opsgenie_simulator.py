"""Judges the simulated Opsgenie with Opsgenie's own Python SDK.

    python opsgenie_simulator.py http://127.0.0.1:8089 <API key>

The account must be fresh. The faults are judged where POST /fail/{name} asks for one, as the host in tests/it/support/platform.rs has it.
Written with opsgenie-sdk 2.1.5 (pip install opsgenie-sdk). Plain asserts; prints one line for each part.
"""

import sys

import opsgenie_sdk
import requests
from opsgenie_sdk import AcknowledgeAlertPayload, AddNoteToAlertPayload, AlertApi, CloseAlertPayload, CreateAlertPayload, OpenApiException

BASE, KEY = sys.argv[1].rstrip("/"), sys.argv[2]


def client(key=KEY, base=BASE):
    configuration = opsgenie_sdk.Configuration()
    configuration.host = base
    configuration.api_key = {"Authorization": key}
    configuration.retry_enabled = False
    configuration.retry_http_response = []
    return AlertApi(opsgenie_sdk.ApiClient(configuration=configuration))


def refused(status, attempt):
    try:
        attempt()
    except OpenApiException as error:
        assert error.status == status, (error.status, error.body)
        return error.body
    raise AssertionError(f"taken instead of refused with {status}")


def what_became_of(alerts, taken):
    assert taken.request_id and taken.result == "Request will be processed", taken
    return alerts.get_request_status(taken.request_id).data.is_success


def judge_life(base):
    alerts = client(base=base)
    alert = CreateAlertPayload(
        message="The shop is down", alias="shop", description="Nobody can pay.", priority="P1", tags=["prod"], details={"till": "3"}
    )
    assert what_became_of(alerts, alerts.create_alert(alert))
    assert what_became_of(alerts, alerts.create_alert(alert))

    def now():
        return alerts.get_alert("shop", identifier_type="alias").data

    assert now().count == 2 and now().status == "open" and now().priority == "P1" and not now().acknowledged
    note = AddNoteToAlertPayload(note="Ada looks at it", user="ada", source="judge")
    assert what_became_of(alerts, alerts.add_note("shop", note, identifier_type="alias"))
    acknowledge = AcknowledgeAlertPayload(user="ada")
    assert what_became_of(alerts, alerts.acknowledge_alert("shop", identifier_type="alias", acknowledge_alert_payload=acknowledge))
    assert now().acknowledged
    close = CloseAlertPayload(note="it works")
    assert what_became_of(alerts, alerts.close_alert("shop", identifier_type="alias", close_alert_payload=close))
    assert now().status == "closed"
    closed = now().id
    assert not what_became_of(alerts, alerts.close_alert("nobody-knows", identifier_type="alias", close_alert_payload=close))
    assert what_became_of(alerts, alerts.create_alert(alert))
    assert now().id != closed and now().count == 1, "a closed alert stays closed, another one opens"
    alerts.close_alert("shop", identifier_type="alias", close_alert_payload=close)
    print("an alert's life: well")


def judge_refusals():
    alerts = client()
    assert "message" in refused(422, lambda: alerts.create_alert(CreateAlertPayload(message="x" * 131)))
    assert "alias" in refused(422, lambda: alerts.create_alert(CreateAlertPayload(message="x", alias="x" * 513)))
    assert "tags" in refused(422, lambda: alerts.create_alert(CreateAlertPayload(message="x", tags=["x" * 51])))
    assert "Key format" in refused(422, lambda: client("nonsense").create_alert(CreateAlertPayload(message="x")))
    unknown = "00000000-0000-0000-0000-000000000000"
    assert "authenticate" in refused(401, lambda: client(unknown).create_alert(CreateAlertPayload(message="x")))
    refused(404, lambda: alerts.get_alert("nobody-knows", identifier_type="alias"))
    print("refusals: well")


def judge_faults():
    if requests.post(f"{BASE}/fail/rate_limit").status_code != 204:
        print("faults: not judged, there is no POST /fail/{name} here")
        return
    alert = CreateAlertPayload(message="x")
    refused(429, lambda: client().create_alert(alert))
    requests.post(f"{BASE}/fail/unavailable")
    refused(503, lambda: client().create_alert(alert))
    print("faults: well")


judge_life(BASE)
judge_life(f"{BASE}/jsm/ops/integration")
judge_refusals()
judge_faults()
print("all is well")

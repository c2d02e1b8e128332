"""Judges an alert source of the kind opsgenie with Opsgenie's own Python SDK.

    python opsgenie_source.py http://127.0.0.1:8080 <the source's key> <step>

A step is one of fire, fire-again, acknowledge, resolve, refused; whoever runs this looks at the incidents in between.
Written with opsgenie-sdk 2.1.5 (pip install opsgenie-sdk). Plain asserts.
"""

import sys

import opsgenie_sdk
from opsgenie_sdk import AcknowledgeAlertPayload, AlertApi, CloseAlertPayload, CreateAlertPayload, OpenApiException

BASE, KEY, STEP = sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3]


def client(key=KEY):
    configuration = opsgenie_sdk.Configuration()
    configuration.host = BASE
    configuration.api_key = {"Authorization": key}
    configuration.retry_enabled = False
    configuration.retry_http_response = []
    return AlertApi(opsgenie_sdk.ApiClient(configuration=configuration))


def taken(answer):
    assert answer.request_id and answer.result == "Request will be processed", answer
    assert client().get_request_status(answer.request_id).data.is_success


alerts = client()
alert = CreateAlertPayload(message="The shop is down", alias="shop", description="Nobody can pay.", priority="P1", tags=["prod"])
if STEP in ("fire", "fire-again"):
    taken(alerts.create_alert(alert))
elif STEP == "acknowledge":
    payload = AcknowledgeAlertPayload(user="ada")
    taken(alerts.acknowledge_alert("shop", identifier_type="alias", acknowledge_alert_payload=payload))
elif STEP == "resolve":
    taken(alerts.close_alert("shop", identifier_type="alias", close_alert_payload=CloseAlertPayload(note="it works")))
elif STEP == "refused":
    try:
        client("00000000-0000-0000-0000-000000000000").create_alert(alert)
        raise AssertionError("taken instead of refused")
    except OpenApiException as error:
        assert error.status == 401, (error.status, error.body)
    try:
        alerts.create_alert(CreateAlertPayload(message=" "))
        raise AssertionError("taken instead of refused")
    except OpenApiException as error:
        assert error.status == 422, (error.status, error.body)
print("all is well")

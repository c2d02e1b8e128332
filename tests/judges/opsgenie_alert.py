"""Judges an alert of ours in a simulated Opsgenie with Opsgenie's own Python SDK.

    python opsgenie_alert.py http://127.0.0.1:8089 <API key> <incident> open|acknowledged|closed

Written with opsgenie-sdk 2.1.5 (pip install opsgenie-sdk).
"""

import sys

import opsgenie_sdk

base, key, incident, state = sys.argv[1:]
configuration = opsgenie_sdk.Configuration()
configuration.host = base.rstrip("/")
configuration.api_key["Authorization"] = key
configuration.retry_enabled = False
alerts = opsgenie_sdk.AlertApi(opsgenie_sdk.ApiClient(configuration=configuration))
alert = alerts.get_alert(incident, identifier_type="alias").data
assert alert.message == "Database connection timeout" and alert.priority == "P1" and alert.count == 1, alert
assert alert.status == ("closed" if state == "closed" else "open"), alert
assert state == "closed" or alert.acknowledged == (state == "acknowledged"), alert
print("all is well")

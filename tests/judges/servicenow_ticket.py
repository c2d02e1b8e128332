"""Judges a ticket that OpsKnight made in a (simulated) ServiceNow, as the PyPI client `pysnc` sees it.

    python servicenow_ticket.py http://127.0.0.1:8089 inc_… 6

Arguments: the instance, the incident, and the state that the record must have. Plain asserts.
"""

import sys

import pysnc.client

# pysnc refuses http://, which is all that a simulated instance has.
pysnc.client.get_instance = lambda instance: instance

base, incident, state = sys.argv[1:4]
client = pysnc.client.ServiceNowClient(base, ("ada.lovelace", "good-password"))
record = client.GlideRecord("incident")
record.add_query("correlation_id", "STARTSWITH", incident)
record.query()
assert len(record) == 1, len(record)
assert record.next()
assert record.get_value("state") == state, record.get_value("state")
assert record.get_value("correlation_display") == "OpsKnight"
assert record.get_value("impact") == "1" and record.get_value("urgency") == "1"
if state == "6":
    assert record.get_value("close_code") and record.get_value("close_notes")
print(f"{record.get_value('number')} is one, in state {state}")

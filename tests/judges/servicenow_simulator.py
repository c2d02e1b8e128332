"""Judges the simulated ServiceNow with clients that were written for the real one.

Usage: servicenow_simulator.py http://127.0.0.1:PORT

Needs pysnc (1.2.1 was used; by ServiceNow), pysnow (0.7.17) with requests-oauthlib and oauthlib. It writes nothing but
what it deletes or marks as its own, so that it can run against an instance that holds other records already.
"""

import http.server
import importlib.metadata
import json
import os
import sys
import threading
import uuid

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the fake speaks plain HTTP

import pysnc
import pysnc.client
import pysnow
import requests

BASE = sys.argv[1].rstrip("/")
USER = ("opsknight.integration", "secret")
RUN = "judge-" + uuid.uuid4().hex[:12]

# pysnc refuses http:// addresses; nothing else of it is changed.
pysnc.client.get_instance = lambda instance: instance.rstrip("/")


def raw(method, path, auth=USER, **kwargs):
    return requests.request(method, BASE + path, auth=auth, timeout=10, **kwargs)


def refused(response, status, message=None, detail=None):
    body = response.json()
    assert response.status_code == status, (response.status_code, body)
    assert body["status"] == "failure", body
    assert message is None or body["error"]["message"] == message, body
    assert detail is None or body["error"]["detail"] == detail, body


def pysnc_records():
    client = pysnc.ServiceNowClient(BASE, USER, auto_retry=False)
    made = []
    for place, (impact, urgency) in enumerate([(1, 1), (1, 2), (2, 2), (2, 3), (3, 3)]):
        record = client.GlideRecord("incident")
        record.initialize()
        record.short_description = f"{RUN} number {place}"
        record.description = "first line\nsecond line"
        record.impact = impact
        record.urgency = urgency
        record.correlation_id = f"{RUN}-{place}"
        made.append(str(record.insert()))
        assert len(made[-1]) == 32, made
        assert record.number.get_value().startswith("INC"), record.number
        assert record.state == "1" and record.state.get_display_value() == "New"
        assert int(record.priority.get_value()) == impact + urgency - 1
    assert len(set(made)) == 5

    # by id, by field, not there
    record = client.GlideRecord("incident")
    assert record.get(made[2])
    assert record.correlation_id == f"{RUN}-2"
    assert record.impact.get_display_value() == "2 - Medium"
    assert record.get_display_value("priority") == "3 - Moderate"
    assert not client.GlideRecord("incident").get("0" * 32)
    record = client.GlideRecord("incident")
    assert record.get("correlation_id", f"{RUN}-1") and record.sys_id == made[1]

    # AND, OR, orders
    query = client.GlideRecord("incident")
    query.add_query("short_description", "STARTSWITH", RUN)
    query.order_by_desc("correlation_id")
    query.query()
    assert len(query) == 5
    assert [str(each.correlation_id) for each in query] == [f"{RUN}-{place}" for place in (4, 3, 2, 1, 0)]
    query = client.GlideRecord("incident")
    query.add_query("short_description", "LIKE", RUN)
    one = query.add_query("priority", "1")
    one.add_or_condition("priority", "5")
    query.order_by("correlation_id")
    query.query()
    assert [str(each.sys_id) for each in query] == [made[0], made[4]]
    query = client.GlideRecord("incident")
    query.add_encoded_query(f"correlation_id={RUN}-0^NQcorrelation_id={RUN}-3")
    query.query()
    assert len(query) == 2
    query = client.GlideRecord("incident")
    query.add_encoded_query(f"correlation_idIN{RUN}-0,{RUN}-1,{RUN}-4^impact>1")
    query.query()
    assert len(query) == 1
    query = client.GlideRecord("incident")
    query.add_query("correlation_id", "STARTSWITH", RUN)
    query.add_null_query("assigned_to")
    query.add_not_null_query("number")
    query.query()
    assert len(query) == 5

    # pages of two
    query = client.GlideRecord("incident", batch_size=2)
    query.add_query("correlation_id", "STARTSWITH", RUN)
    query.order_by("correlation_id")
    query.query()
    assert [str(each.sys_id) for each in query] == made
    query = client.GlideRecord("incident")
    query.add_query("correlation_id", "STARTSWITH", RUN)
    query.order_by("correlation_id")
    query.limit = 3
    query.query()
    assert [str(each.sys_id) for each in query] == made[:3]

    # just some fields, and through a reference
    query = client.GlideRecord("incident")
    query.fields = ["number", "opened_by.user_name"]
    query.add_query("correlation_id", f"{RUN}-0")
    query.query()
    assert query.next()
    assert query.get_value("opened_by.user_name") == USER[0]

    # what is no field is passed over: every row matches
    query = client.GlideRecord("incident")
    query.add_query("no_such_field", "x")
    query.add_query("correlation_id", "STARTSWITH", RUN)
    query.query()
    assert len(query) == 5
    return client, made


def pysnc_changes(client, made):
    ada = client.GlideRecord("sys_user")
    assert ada.get("user_name", "ada.lovelace")
    record = client.GlideRecord("incident")
    assert record.get(made[0])
    record.state = 2
    record.assigned_to = ada.sys_id
    assert record.update()
    assert record.state.get_display_value() == "In Progress"
    assert record.assigned_to == ada.sys_id
    assert record.assigned_to.get_display_value() == "Ada Lovelace"
    assert record.get_value("sys_mod_count") == "1"
    query = client.GlideRecord("incident")
    query.add_encoded_query(f"correlation_idSTARTSWITH{RUN}^assigned_to.user_name=ada.lovelace")
    query.query()
    assert len(query) == 1

    # notes are appended, and read from the journal
    for text in ("first note", "second note"):
        record = client.GlideRecord("incident")
        assert record.get(made[0])
        record.work_notes = text
        record.update()
    record = client.GlideRecord("incident")
    assert record.get(made[0])
    assert record.work_notes.get_value() == "" or record.work_notes.get_value() is None
    history = record.work_notes.get_display_value()
    assert history.index("second note") < history.index("first note") and "(Work notes)" in history
    journal = client.GlideRecord("sys_journal_field")
    journal.add_query("element_id", made[0])
    journal.add_query("element", "work_notes")
    journal.order_by("sys_created_on")
    journal.query()
    assert sorted(str(each.value) for each in journal) == ["first note", "second note"]

    # resolving needs a code and notes
    record = client.GlideRecord("incident")
    assert record.get(made[0])
    record.state = 6
    try:
        record.update()
        raise AssertionError("the data policy did not refuse")
    except pysnc.exceptions.RoleException as refusal:
        assert "Resolution code" in str(refusal), refusal
    record.close_code = "Solution provided"
    record.close_notes = "it was the cache"
    record.update()
    assert record.state.get_display_value() == "Resolved" and record.resolved_at

    # several at once, in one batch
    query = client.GlideRecord("incident")
    query.add_query("correlation_id", "IN", f"{RUN}-1,{RUN}-2")
    query.query()
    for each in query:
        each.urgency = 3
    assert query.update_multiple()
    query = client.GlideRecord("incident")
    query.add_encoded_query(f"correlation_idIN{RUN}-1,{RUN}-2^urgency=3")
    query.query()
    assert len(query) == 2

    # a query too long for an address goes through the batch API
    query = client.GlideRecord("incident")
    query.add_query("sys_id", "IN", ",".join([made[3]] + [uuid.uuid4().hex for _ in range(400)]))
    query.query()
    assert len(query) == 1

    # attachments
    record = client.GlideRecord("incident")
    assert record.get(made[1])
    record.add_attachment("note.txt", "some text", content_type="text/plain")
    files = record.get_attachments()
    assert len(files) == 1
    for each in files:
        assert each.file_name == "note.txt" and each.read() == b"some text"

    # deleting, one and several
    record = client.GlideRecord("incident")
    assert record.get(made[4]) and record.delete()
    assert not client.GlideRecord("incident").get(made[4])
    query = client.GlideRecord("incident")
    query.add_query("correlation_id", "IN", f"{RUN}-2,{RUN}-3")
    assert query.delete_multiple()
    query = client.GlideRecord("incident")
    query.add_query("correlation_id", "STARTSWITH", RUN)
    query.query()
    assert len(query) == 2


def pysnc_access():
    flows = [
        pysnc.ServiceNowPasswordGrantFlow("ada.lovelace", "secret", "client", "client-secret"),
        pysnc.auth.ServiceNowClientCredentialsFlow("client", "client-secret"),
    ]
    for flow, user in zip(flows, ["ada.lovelace", "opsknight.integration"]):
        client = pysnc.ServiceNowClient(BASE, flow, auto_retry=False)
        record = client.GlideRecord("incident")
        record.initialize()
        record.short_description = f"{RUN} by token"
        assert record.insert()
        assert record.sys_created_by == user, record.sys_created_by
        assert record.delete()
    try:
        flow = pysnc.auth.ServiceNowClientCredentialsFlow("client", "bad-secret")
        pysnc.ServiceNowClient(BASE, flow, auto_retry=False)
        raise AssertionError("a bad secret was taken")
    except pysnc.exceptions.AuthenticationException as refusal:
        assert "401" in str(refusal), refusal
    client = pysnc.ServiceNowClient(BASE, ("ada.lovelace", "bad"), auto_retry=False)
    try:
        client.GlideRecord("incident").get("0" * 32)
        raise AssertionError("a bad password was taken")
    except pysnc.exceptions.AuthenticationException:
        pass


def pysnow_records():
    host = BASE.split("://", 1)[1]
    client = pysnow.Client(host=host, user=USER[0], password=USER[1], use_ssl=False)
    client.parameters.display_value = False
    incidents = client.resource(api_path="/table/incident")
    record = incidents.create(payload={"short_description": f"{RUN} pysnow", "urgency": "1"}).one()
    assert record["number"].startswith("INC") and record["urgency"] == "1"
    assert record["opened_by"]["link"].startswith(f"{BASE}/api/now/table/sys_user/")
    number = record["number"]
    assert incidents.get(query={"number": number}).one()["sys_id"] == record["sys_id"]
    streamed = incidents.get(query={"number": number}, stream=True).first()
    assert streamed["sys_id"] == record["sys_id"]
    built = pysnow.QueryBuilder().field("short_description").contains(f"{RUN} pysnow").AND().field("urgency").equals("1")
    assert len(incidents.get(query=built, limit=5).all()) == 1
    changed = incidents.update(query={"number": number}, payload={"state": "2", "comments": "hello"}).one()
    assert changed["state"] == "2" and changed["comments"] == ""
    assert incidents.delete(query={"number": number})["status"] == "record deleted"
    assert incidents.get(query={"number": number}).one_or_none() is None

    oauth = pysnow.OAuthClient(client_id="client", client_secret="client-secret", host=host, use_ssl=False)
    oauth.set_token(oauth.generate_token("ada.lovelace", "secret"))
    users = oauth.resource(api_path="/table/sys_user")
    assert users.get(query={"user_name": "ada.lovelace"}).one()["name"] == "Ada Lovelace"
    try:
        oauth.generate_token("ada.lovelace", "bad")
        raise AssertionError("a bad password was taken")
    except pysnow.exceptions.TokenCreateError as refusal:
        assert "access_denied" in str(refusal.args), refusal.args


def plain_requests():
    label = {"correlation_id": f"{RUN}-plain", "correlation_display": "judge"}
    made = raw("POST", "/api/now/table/incident", json={"short_description": "x" * 200, "u_unknown": "1", **label})
    record = made.json()["result"]
    assert made.status_code == 201 and made.headers["Location"].endswith(record["sys_id"])
    assert len(record["short_description"]) == 160 and "u_unknown" not in record
    path = f"/api/now/table/incident/{record['sys_id']}"

    # the three forms of values
    fields = "sysparm_fields=state,opened_by,no_such_field"
    read = lambda more: raw("GET", f"{path}?{fields}&{more}").json()["result"]
    user = record["opened_by"]["value"]
    link = f"{BASE}/api/now/table/sys_user/{user}"
    assert read("") == {"state": "1", "opened_by": {"link": link, "value": user}}
    assert read("sysparm_exclude_reference_link=true") == {"state": "1", "opened_by": user}
    shown = {"display_value": "OpsKnight Integration", "link": link}
    assert read("sysparm_display_value=true") == {"state": "New", "opened_by": shown}
    both = {"state": {"display_value": "New", "value": "1"}, "opened_by": {**shown, "value": user}}
    assert read("sysparm_display_value=all") == both

    # display values as input
    body = {"caller_id": "Abel Tuter", "state": "On Hold", "assignment_group": "Network"}
    changed = raw("PATCH", f"{path}?sysparm_input_display_value=true&sysparm_display_value=true", json=body)
    result = changed.json()["result"]
    assert result["state"] == "On Hold" and result["caller_id"]["display_value"] == "Abel Tuter"
    assert result["assignment_group"]["display_value"] == "Network"

    # counts and links
    for place in range(3):
        raw("POST", "/api/now/table/incident", json={"correlation_id": f"{RUN}-page", "description": str(place)})
    query = f"sysparm_query=correlation_id={RUN}-page^ORDERBYdescription"
    first = raw("GET", f"/api/now/table/incident?{query}&sysparm_limit=2&sysparm_fields=description")
    assert first.headers["X-Total-Count"] == "3" and first.links["last"]["url"] and "prev" not in first.links
    second = requests.get(first.links["next"]["url"], auth=USER, timeout=10)
    assert [each["description"] for each in first.json()["result"] + second.json()["result"]] == ["0", "1", "2"]
    assert "next" not in second.links and "prev" in second.links
    bare = raw("GET", f"/api/now/v2/table/incident?{query}&sysparm_limit=1&sysparm_suppress_pagination_header=true")
    assert "Link" not in bare.headers and bare.headers["X-Total-Count"] == "3"
    bare = raw("GET", f"/api/now/table/incident?{query}&sysparm_no_count=true")
    assert "X-Total-Count" not in bare.headers and len(bare.json()["result"]) == 3
    assert len(raw("GET", f"/api/now/table/incident?correlation_id={RUN}-page&state=new").json()["result"]) == 3
    assert raw("GET", f"/api/now/table/incident?sysparm_query=number=none").json() == {"result": []}
    refused(raw("GET", f"/api/now/v1/table/incident?sysparm_query=number=none"), 404, "No Record found")

    # what the platform tells of itself
    choices = raw("GET", "/api/now/table/sys_choice?sysparm_query=name=incident^element=close_code").json()["result"]
    assert "Solution provided" in [each["value"] for each in choices]
    asked = "/api/now/table/sys_dictionary?sysparm_query=nameINincident,task^element=correlation_id"
    assert raw("GET", asked).json()["result"][0]["max_length"] == "100"

    # refusals
    hidden = "Record doesn't exist or ACL restricts the record retrieval"
    refused(raw("GET", "/api/now/table/no_such_table"), 400, "Invalid table no_such_table")
    refused(raw("GET", "/api/now/table/incident/" + "0" * 32), 404, "No Record found", hidden)
    refused(raw("PATCH", "/api/now/table/incident/" + "0" * 32, json={}), 404, "No Record found", hidden)
    refused(raw("DELETE", "/api/now/table/incident/" + "0" * 32), 404, "No Record found", hidden)
    refused(raw("POST", "/api/now/table/incident", data="{", headers={"Content-Type": "application/json"}), 400)
    refused(raw("POST", "/api/now/table/incident", data="<a/>", headers={"Content-Type": "text/plain"}), 415)
    refused(raw("POST", "/api/now/table/incident", auth=("read.only", "x"), json={}), 403, "Operation Failed")
    unknown = "Required to provide Auth information"
    refused(raw("GET", path, auth=None), 401, "User Not Authenticated", unknown)
    refused(raw("GET", path, auth=("admin", "bad")), 401, "User Not Authenticated", unknown)
    assert raw("GET", path, auth=None, headers={"x-sn-apikey": "key"}).status_code == 200
    late = "Data Policy Exception: The following fields are mandatory: Resolution code"
    body = {"state": "6", "close_code": "Solved (Permanently)", "close_notes": "done"}
    refused(raw("PATCH", path, json=body), 403, "Operation Failed", late)
    form = {"grant_type": "refresh_token", "refresh_token": "none", "client_id": "a", "client_secret": "b"}
    token = requests.post(BASE + "/oauth_token.do", data=form, timeout=10)
    assert token.status_code == 401 and token.json()["error_description"] == "access_denied"


def business_rule():
    heard = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.headers["X-OpsKnight-Secret"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rule = {"url": f"http://127.0.0.1:{server.server_port}/", "secret": RUN, "skipUser": USER[0]}
    assert requests.post(BASE + "/opsknight-fake/rules", json=rule, timeout=10).status_code == 201
    label = {"correlation_id": f"{RUN}-rule", "correlation_display": "OpsKnight"}
    record = raw("POST", "/api/now/table/incident", json=label).json()["result"]
    path = f"/api/now/table/incident/{record['sys_id']}"
    raw("PATCH", path, json={"urgency": "2"})
    raw("PATCH", path, auth=("ada.lovelace", "x"), json={"state": "2"})
    raw("PATCH", path, auth=("ada.lovelace", "x"), json={"state": "2"})
    for _ in range(100):
        if heard:
            break
        threading.Event().wait(0.05)
    server.shutdown()
    assert len(heard) == 1, heard
    secret, body = heard[0]
    assert secret == RUN and body["sys_id"] == record["sys_id"] and body["updated_by"] == "ada.lovelace"
    assert body["correlation_id"] == f"{RUN}-rule" and body["sys_mod_count"] == "2"


client, made = pysnc_records()
pysnc_changes(client, made)
pysnc_access()
pysnow_records()
plain_requests()
business_rule()
versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pysnc", "pysnow", "requests"))
print(f"judged by {versions}")
print("6 passed, 0 failed")

"""Judges the simulated GitLab with python-gitlab, as it would use a real instance.

    python gitlab_simulator.py http://127.0.0.1:8089

The instance must be fresh. The faults are judged where POST /fail/{name} asks for one, as the host in tests/it/support/platform.rs has it.
Written with python-gitlab 8.6.0 (pip install python-gitlab). Plain asserts; prints one line for each part.
"""

import base64
import hashlib
import hmac
import http.server
import json
import queue
import sys
import threading

import gitlab
import requests

ROOT = sys.argv[1].rstrip("/")
# An instance may be below a path.
BASE = f"{ROOT}/git"
CALLS = queue.Queue()
TOKEN = "a token of nobody"
KEY = b"0123456789abcdef0123456789abcdef"


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        CALLS.put((self.headers, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def client(token):
    return gitlab.Gitlab(BASE, private_token=token, retry_transient_errors=False)


def refused(status, attempt):
    try:
        attempt()
    except gitlab.GitlabError as error:
        assert error.response_code == status, (error.response_code, error.error_message)
        return str(error.error_message)
    raise AssertionError(f"taken instead of refused with {status}")


def fail(name):
    assert requests.post(f"{ROOT}/fail/{name}").status_code == 204, name


def call_about(kind, action):
    while True:
        headers, body = CALLS.get(timeout=5)
        told = json.loads(body)
        if told["object_kind"] == kind and told["object_attributes"]["action"] == action:
            assert headers["X-Gitlab-Token"] == TOKEN and headers["User-Agent"].startswith("GitLab/")
            assert headers["X-Gitlab-Event-UUID"] and headers["Idempotency-Key"] == headers["webhook-id"]
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
            assert headers["webhook-signature"] == f"v1,{digest}"
            return headers["X-Gitlab-Event"], told


def make_webhook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = {
        "url": f"http://127.0.0.1:{server.server_port}/callback",
        "token": TOKEN,
        "signing_token": "whsec_" + base64.b64encode(KEY).decode(),
        "push_events": False,
        "issues_events": True,
        "note_events": True,
        "confidential_note_events": True,
    }
    project = client("ada-lovelace-token").projects.get("acme/operations")
    made = project.hooks.create(hook)
    assert made.issues_events and not made.push_events and not hasattr(made, "token")
    assert [one.id for one in project.hooks.list(get_all=True)] == [made.id]
    refused(403, lambda: client("good-token").projects.get("acme/operations").hooks.create(hook))
    return made


def judge_issues():
    us = client("good-token")
    us.auth()
    assert us.user.username == "opsknight" and us.version()[0].startswith("19.")
    project = us.projects.get("acme/operations")
    assert project.id == 501 and project.issues_access_level == "enabled"
    assert project.permissions["project_access"]["access_level"] == 30
    refused(404, lambda: us.projects.get("acme/secret"))
    ada = us.users.list(username="ada-lovelace")[0]
    assert project.members_all.get(ada.id).access_level == 50
    assert [person.username for person in project.members_all.list(query="grace", get_all=True)] == ["grace-hopper"]

    given = {"title": "The shop is down", "description": "Nobody can pay.", "labels": ["opsknight", "P1"], "assignee_ids": [ada.id]}
    issue = project.issues.create(given)
    assert issue.iid == 1 and issue.state == "opened" and issue.author["username"] == "opsknight"
    assert issue.labels == ["P1", "opsknight"] and issue.assignees[0]["username"] == "ada-lovelace"
    assert issue.web_url.endswith("/git/acme/operations/-/issues/1"), issue.web_url
    event, told = call_about("issue", "open")
    assert event == "Issue Hook" and told["event_type"] == "issue" and told["object_attributes"]["iid"] == 1
    assert told["project"]["path_with_namespace"] == "acme/operations" and told["user"]["username"] == "opsknight"

    assert "title is missing" in refused(400, lambda: us.http_post("/projects/501/issues", post_data={"description": "x"}))
    assert "maximum is 255" in refused(400, lambda: project.issues.create({"title": "x" * 256}))
    refused(403, lambda: us.projects.get("acme/without-issues").issues.create({"title": "t"}))
    refused(404, lambda: project.issues.get(99999))

    assert [one.iid for one in project.issues.list(labels=["opsknight"], state="opened", get_all=True)] == [1]
    assert project.issues.list(labels=["opsknight", "OPSKNIGHT"], get_all=True) == [], "labels have a case"
    assert [one.iid for one in project.issues.list(search="shop down", get_all=True)] == [1]
    issue.title = "The shop is slow"
    issue.labels = ["opsknight"]
    issue.save()
    _, told = call_about("issue", "update")
    assert told["changes"]["title"] == {"previous": "The shop is down", "current": "The shop is slow"}
    assert project.issues.get(1).labels == ["opsknight"]

    note = issue.notes.create({"body": "Ada looks at it"})
    event, told = call_about("note", "create")
    assert event == "Note Hook" and told["issue"]["iid"] == 1 and told["object_attributes"]["note"] == "Ada looks at it"
    note.body = "Grace looks at it"
    note.save()
    call_about("note", "update")
    internal = issue.notes.create({"body": "psst", "internal": True})
    assert internal.internal
    event, told = call_about("note", "create")
    assert event == "Confidential Note Hook" and told["event_type"] == "confidential_note"
    assert [one.body for one in issue.notes.list(sort="asc", get_all=True)] == ["Grace looks at it", "psst"]
    reader = client("reader").projects.get("acme/operations").issues.get(1)
    assert [one.body for one in reader.notes.list(get_all=True)] == ["Grace looks at it"]
    assert "blank" in refused(400, lambda: issue.notes.create({"body": " "}))

    issue.state_event = "close"
    issue.save()
    _, told = call_about("issue", "close")
    assert told["object_attributes"]["state"] == "closed"
    assert project.issues.get(1).attributes["closed_by"]["username"] == "opsknight"
    theirs = client("ada-lovelace-token").projects.get("acme/operations").issues.get(1)
    theirs.state_event = "reopen"
    theirs.save()
    _, told = call_about("issue", "reopen")
    assert told["user"]["username"] == "ada-lovelace"

    other = project.issues.create({"title": "The shop is down too"})
    source, target = issue.links.create({"target_project_id": project.id, "target_issue_iid": other.iid})
    assert (source.iid, target.iid) == (1, 2)
    assert "already assigned" in refused(409, lambda: issue.links.create({"target_project_id": 501, "target_issue_iid": 2}))
    print("issues: well")


def judge_quick_actions():
    project = client("good-token").projects.get("acme/operations")
    issue = project.issues.create({"title": "t", "description": "text\n/label ~evil\n```\n/close\n```\nend"})
    assert issue.labels == ["evil"] and issue.state == "opened" and issue.description == "text\n```\n/close\n```\nend"
    issue.notes.create({"body": "/close"})
    assert project.issues.get(issue.iid).state == "closed" and issue.notes.list(get_all=True) == []
    print("quick actions: well")


def judge_lists():
    project = client("good-token").projects.get("acme/website")
    for number in range(45):
        project.issues.create({"title": f"number {number}", "labels": "many"})
    every = [issue.title for issue in project.issues.list(labels=["many"], sort="asc", iterator=True)]
    assert every == [f"number {number}" for number in range(45)]
    page = project.issues.list(labels=["many"], per_page=10, iterator=True)
    assert (page.total, page.total_pages, page.next_page) == (45, 5, 2)
    print("lists: well")


def judge_access():
    assert "401" in refused(401, lambda: client("bad-token").auth())
    refused(404, lambda: client("zoe-gone").projects.get("acme/operations"))
    bearer = requests.get(f"{BASE}/api/v4/user", headers={"Authorization": "Bearer ada-lovelace-token"})
    assert bearer.json()["username"] == "ada-lovelace" and bearer.headers["RateLimit-Remaining"] == "1999"
    issue = client("reader").projects.get("acme/operations").issues.create({"title": "t", "labels": "x"})
    assert issue.labels == [], "a guest's labels are dropped"
    form = requests.post(f"{ROOT}/api/v4/projects/acme%2Foperations/issues", data={"title": "by a form"}, headers={"PRIVATE-TOKEN": "good"})
    assert form.status_code == 201, form.text
    print("access: well")


def judge_people():
    ada = client("ada-lovelace-token")
    project = ada.projects.get("acme/operations")
    issue = project.issues.create({"title": "moves"})
    number = issue.iid
    issue.move(502)
    left = project.issues.get(number)
    assert left.state == "closed" and left.moved_to_id
    assert [one.id for one in ada.projects.get("acme/website").issues.list(search="moves", get_all=True)] == [left.moved_to_id]
    refused(403, lambda: client("good-token").projects.get("acme/operations").issues.delete(number))
    project.issues.delete(number)
    refused(404, lambda: project.issues.get(number))
    print("people: well")


def judge_faults():
    if requests.post(f"{ROOT}/fail/lag").status_code != 204:
        print("faults: not judged, there is no POST /fail/{name} here")
        return
    project = client("good-token").projects.get("acme/operations")
    fail("lost")
    try:
        project.issues.create({"title": "Lost", "labels": "lost-and-found"})
        raise AssertionError("the answer came")
    except requests.ConnectionError:
        pass
    counts = [len(project.issues.list(labels=["lost-and-found"], get_all=True)) for _ in range(4)]
    assert counts == [0, 0, 0, 1], counts
    fail("limited")
    answer = requests.get(f"{BASE}/api/v4/user", headers={"PRIVATE-TOKEN": "good"})
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "2" and answer.headers["RateLimit-Remaining"] == "0"
    # The client waits out a limit by itself: it takes ours for a real one.
    fail("limited")
    assert project.issues.get(1).iid == 1
    fail("expired")
    assert "invalid_token" in refused(401, lambda: project.issues.get(1))
    fail("scope")
    assert "insufficient_scope" in refused(403, lambda: project.issues.get(1))
    fail("conflict")
    refused(409, lambda: project.issues.create({"title": "t"}))
    fail("ignores_query")
    assert len(project.issues.list(labels=["nobody-has-this"], get_all=True)) >= 2
    fail("deleted")
    refused(404, lambda: project.issues.get(1))
    print("faults: well")


def main():
    hook = make_webhook()
    judge_issues()
    judge_quick_actions()
    judge_lists()
    judge_access()
    judge_people()
    judge_faults()
    hook.delete()
    print("all is well")


if __name__ == "__main__":
    main()

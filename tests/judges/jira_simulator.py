"""Judges the simulated Jira with foreign clients, as they would use a real one.

    python jira_simulator.py http://127.0.0.1:8089

The site must be fresh. The faults are judged where POST /fail/{name} asks for one, as the host in tests/it/support/platform.rs has it.
Written with jira 3.10.5 and atlassian-python-api 5.0.5 (pip install jira atlassian-python-api). Each client speaks to
it as to Data Center and as to Cloud. Plain asserts; prints one line for each part.
"""

import hashlib
import hmac
import http.server
import json
import queue
import sys
import threading
import warnings

import requests
from atlassian import Jira as Server
from atlassian.jira import JiraCloud
from jira import JIRA, JIRAError

# The client `jira` warns that it may not read application links, which it needs for links between two Jiras alone.
warnings.filterwarnings("ignore", message="Unable to gather applicationlinks")

BASE = sys.argv[1].rstrip("/")
LINK = "https://opsknight.example/incidents/inc_1"
CALLS = queue.Queue()
SECRET = "a secret of nobody"


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        CALLS.put((self.headers, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def refused(status, attempt):
    try:
        attempt()
    except JIRAError as error:
        assert error.status_code == status, (error.status_code, error.text)
        return f"{error.text} {error.response.text}"
    except requests.HTTPError as error:
        assert error.response.status_code == status, error
        return error.response.text
    raise AssertionError(f"taken instead of refused with {status}")


def fail(name):
    assert requests.post(f"{BASE}/fail/{name}").status_code == 204, name


def document(text):
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
    return {"type": "doc", "version": 1, "content": [paragraph]}


def call_about(event, key):
    while True:
        headers, body = CALLS.get(timeout=5)
        told = json.loads(body)
        if told["webhookEvent"] == event and told["issue"]["key"] == key:
            return headers, body, told


def call_about_status(key):
    while True:
        _, _, told = call_about("jira:issue_updated", key)
        if any(item["field"] == "status" for item in told.get("changelog", {}).get("items", [])):
            return told


def register_webhook(session):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = {
        "name": "OpsKnight",
        "url": f"http://127.0.0.1:{server.server_port}/callback",
        "events": ["jira:issue_created", "jira:issue_updated", "jira:issue_deleted", "comment_created"],
        "filters": {"issue-related-events-section": "project = OPS"},
        "excludeBody": False,
        "secret": SECRET,
        "enabled": True,
    }
    made = session.post(f"{BASE}/rest/webhooks/1.0/webhook", json=hook)
    assert made.status_code == 201, made.text
    hook = made.json()
    assert "secret" not in hook and hook["enabled"] and hook["self"].startswith(BASE)
    assert [listed["self"] for listed in session.get(f"{BASE}/rest/webhooks/1.0/webhook").json()] == [hook["self"]]
    return hook["self"]


def judge_jira_client(version):
    is_cloud = version == "3"
    jira = JIRA(BASE, basic_auth=("judge@example.com", "good-token"), options={"rest_api_version": version}, max_retries=0)
    assert jira._is_cloud == is_cloud
    text = document if is_cloud else str
    me = jira.myself()
    assert me["displayName"] == "judge" and me["emailAddress"] == "judge@example.com"
    assert [project.key for project in jira.projects()] == ["OPS", "WEB"]
    assert jira.project("OPS").name == "Operations"
    assert [component.name for component in jira.project_components("OPS")] == ["API", "Database"]
    assert {"Highest", "Lowest"} <= {priority.name for priority in jira.priorities()}
    assert {"Task", "Bug", "Incident"} == {kind.name for kind in jira.issue_types()}
    assert jira.my_permissions(projectKey="OPS", permissions="CREATE_ISSUES")["permissions"]["CREATE_ISSUES"]["havePermission"]
    if not is_cloud:
        incident = next(kind for kind in jira.project_issue_types("OPS") if kind.name == "Incident")
        fields = {field.fieldId: field for field in jira.project_issue_fields("OPS", incident.id)}
        assert fields["summary"].required and not fields["priority"].required

    marker = f"judged-by-jira-{version}"
    given = {
        "project": {"key": "OPS"},
        "issuetype": {"name": "Incident"},
        "summary": "The shop is down",
        "description": text("Nobody can pay.\nSince noon."),
        "labels": [marker],
        "priority": {"name": "High"},
        "components": [{"name": "API"}],
        "customfield_10010": "checkout",
    }
    issue = jira.create_issue(given)
    assert issue.key.startswith("OPS-") and issue.fields.status.statusCategory.key == "new"
    assert issue.fields.status.name == "Offen" and issue.fields.resolution is None
    assert issue.fields.creator.displayName == "judge"
    if not is_cloud:
        assert issue.fields.description == "Nobody can pay.\nSince noon."
    headers, body, told = call_about("jira:issue_created", issue.key)
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature"] == f"sha256={digest}" and headers["X-Atlassian-Webhook-Flow"] == "Primary"
    assert headers["X-Atlassian-Webhook-Identifier"] and told["user"]["displayName"] == "judge"

    assert "labels" in refused(400, lambda: jira.create_issue({**given, "labels": ["two words"]}))
    assert "priority" in refused(400, lambda: jira.create_issue({**given, "priority": {"name": "Urgent"}}))
    assert "customfield_99999" in refused(400, lambda: jira.create_issue({**given, "customfield_99999": "x"}))
    assert "newline" in refused(400, lambda: jira.create_issue({**given, "summary": "two\nlines"}))
    assert "project" in refused(400, lambda: jira.create_issue({**given, "project": {"key": "NOPE"}}))
    refused(404, lambda: jira.issue("OPS-99999"))

    found = jira.search_issues(f'project = OPS AND labels = "{marker}" ORDER BY created ASC', fields="summary,labels")
    assert [one.key for one in found] == [issue.key] and found[0].fields.labels == [marker]
    assert [one.id for one in jira.search_issues(f"key in ({issue.key})")] == [issue.id]
    assert jira.search_issues(f'labels = "{marker}" AND statusCategory = Done') == []
    refused(400, lambda: jira.search_issues('project = "unfinished'))
    refused(400, lambda: jira.search_issues("project = NOPE"))

    issue.update(fields={"summary": "The shop is slow"}, update={"labels": [{"add": "seen"}]})
    issue = jira.issue(issue.id, expand="changelog,renderedFields")
    assert issue.fields.summary == "The shop is slow" and issue.fields.labels == [marker, "seen"]
    assert {item.field for item in issue.changelog.histories[0].items} == {"summary", "labels"}
    assert issue.renderedFields.description.startswith("<p>")

    comment = jira.add_comment(issue, text("Ada looks at it (OpsKnight evt_1)"))
    assert comment.author.displayName == "judge"
    _, _, told = call_about("comment_created", issue.key)
    assert told["comment"]["body"] == "Ada looks at it (OpsKnight evt_1)"
    assert [one.id for one in jira.comments(issue, order_by="-created", max_results=1)] == [comment.id]
    comment.update(body=text("Grace looks at it"))
    assert len(jira.comments(issue)) == 1

    people = jira.search_assignable_users_for_issues(query="gra", project="OPS")
    assert [person.displayName for person in people] == ["Grace Hopper"]
    # For Cloud this client looks for the one account whose address or name is the text, and sends its accountId.
    jira.assign_issue(issue, "grace@example.com" if is_cloud else "grace")
    assert jira.issue(issue.id).fields.assignee.displayName == "Grace Hopper"

    link = jira.add_remote_link(issue.id, {"url": LINK, "title": "Incident 1"}, globalId=LINK, relationship="tracks")
    again = jira.add_remote_link(issue.id, {"url": LINK, "title": "Incident 1 again"}, globalId=LINK)
    assert link.id == again.id
    links = jira.remote_links(issue)
    assert [one.object.title for one in links] == ["Incident 1 again"] and not hasattr(links[0], "relationship")
    links[0].delete()
    assert jira.remote_links(issue) == []

    jira.add_issue_property(issue.key, "opsknight", {"incident": "inc_1"})
    assert [one.key for one in jira.issue_properties(issue.key)] == ["opsknight"]
    assert jira.issue_property(issue.key, "opsknight").value.incident == "inc_1"
    jira.issue_property(issue.key, "opsknight").delete()
    refused(404, lambda: jira.issue_property(issue.key, "opsknight"))

    moves = {move["to"]["statusCategory"]["key"]: move for move in jira.transitions(issue)}
    assert set(moves) == {"new", "indeterminate", "done"}
    assert "not valid" in refused(400, lambda: jira.transition_issue(issue, "999"))
    jira.transition_issue(issue, moves["done"]["id"])
    issue = jira.issue(issue.id)
    assert issue.fields.status.name == "Erledigt" and issue.fields.resolution.name == "Done"
    told = call_about_status(issue.key)
    assert told["issue"]["fields"]["status"]["statusCategory"]["key"] == "done"

    other = jira.create_issue({**given, "summary": "The shop is down too"})
    jira.create_issue_link("Duplicate", inwardIssue=other.key, outwardIssue=issue.key)
    seen = jira.issue(other.key).fields.issuelinks
    assert [one.outwardIssue.key for one in seen] == [issue.key] and seen[0].type.outward == "duplicates"
    other.delete()
    refused(404, lambda: jira.issue(other.id))
    assert jira.issue(issue.key).fields.issuelinks == []
    print(f"jira, version {version}: well")


def judge_atlassian_server():
    jira = Server(BASE, username="judge", password="good-token", cloud=False)
    assert jira.get_server_info()["deploymentType"] == "Server"
    assert jira.myself()["name"] == "judge"
    assert jira.get_permissions("CREATE_ISSUES,TRANSITION_ISSUES", project_key="OPS")["permissions"]
    assert [kind["name"] for kind in jira.issue_createmeta_issuetypes("OPS")["values"]] == ["Task", "Bug", "Incident"]
    assert jira.issue_createmeta_fieldtypes("OPS", "10003")["values"][0]["fieldId"] == "project"
    fields = {"project": {"key": "WEB"}, "issuetype": {"id": "10001"}, "summary": "Look", "labels": ["judged-by-atlassian"]}
    key = jira.create_issue(fields=fields)["key"]
    found = jira.jql("labels = judged-by-atlassian AND status = 'To Do'")
    assert found["total"] == 1 and found["issues"][0]["key"] == key
    jira.update_issue_field(key, {"description": "h1. Words"})
    assert jira.issue(key)["fields"]["description"] == "h1. Words"
    jira.issue_add_comment(key, "a word")
    assert jira.issue_get_comments(key)["total"] == 1
    jira.assign_issue(key, "grace")
    assert jira.issue(key)["fields"]["assignee"]["name"] == "grace"
    assert "cannot be assigned" in str(raised(lambda: jira.assign_issue(key, "zoe")))
    jira.set_issue_status(key, "In Progress")
    assert jira.issue(key)["fields"]["status"]["name"] == "In Progress"
    jira.create_or_update_issue_remote_links(key, LINK, "Incident", global_id=LINK, status_resolved=True)
    assert jira.get_issue_remote_links(key)[0]["object"]["status"]["resolved"] is True
    jira.set_issue_property(key, "opsknight", {"a": [1, None]})
    assert jira.get_issue_property(key, "opsknight")["value"] == {"a": [1, None]}
    assert [one["key"] for one in jira.get_issue_property_keys(key)["keys"]] == ["opsknight"]
    assert jira.user_find_by_user_string(username="ada")[0]["displayName"] == "Ada Lovelace"
    jira.delete_issue(key)
    assert jira.jql("labels = judged-by-atlassian")["issues"] == []
    print("atlassian-python-api, Data Center: well")


def judge_atlassian_cloud(base, **access):
    jira = JiraCloud(base, **access)
    assert jira.get_server_info()["deploymentType"] == "Cloud"
    who = jira.get_current_user()
    assert "name" not in who and who["accountId"]
    types = jira.get_create_issue_meta_issue_types("OPS")["issueTypes"]
    assert [kind["name"] for kind in types] == ["Task", "Bug", "Incident"]
    fields = {
        "project": {"id": "10000"},
        "issuetype": {"id": "10003"},
        "summary": "Look here",
        "description": document("words"),
        "labels": ["judged-in-cloud"],
    }
    made = jira.create_issue(data={"fields": fields, "properties": [{"key": "opsknight", "value": {"v": 1}}]})
    key = made["key"]
    assert jira.get_issue_property(key, "opsknight")["value"] == {"v": 1}
    ids = jira.search_and_reconsile_issues_using_jql("labels = judged-in-cloud")
    assert ids == {"issues": [{"id": made["id"]}], "isLast": True}
    second = jira.create_issue(data={"fields": fields})
    page = jira.search_and_reconsile_issues_using_jql_post(
        data={"jql": "labels = judged-in-cloud ORDER BY created ASC", "fields": ["summary"], "maxResults": 1}
    )
    assert page["issues"][0]["fields"] == {"summary": "Look here"} and not page["isLast"]
    every = jira.enhanced_jql_get_list_of_tickets("labels = judged-in-cloud ORDER BY key", fields="summary")
    assert [one["id"] for one in every] == [made["id"], second["id"]]
    person = jira.find_assignable_users(query="ada", project="OPS")[0]
    jira.assign_issue(key, data={"accountId": person["accountId"]})
    jira.add_comment(key, data={"body": document("a word")})
    assert jira.get_comments(key)["comments"][0]["body"] == document("a word")
    assert "Comment body is not valid!" in str(raised(lambda: jira.add_comment(key, data={"body": "plain"})))
    assert "Atlassian Document" in str(raised(lambda: jira.create_issue(data={"fields": {**fields, "description": "x"}})))
    moves = jira.get_transitions(key, expand="transitions.fields")["transitions"]
    done = next(move for move in moves if move["to"]["statusCategory"]["key"] == "done")
    jira.do_transition(key, data={"transition": {"id": done["id"]}})
    read = jira.get_issue(key, fields="status,assignee,resolution")
    assert set(read["fields"]) == {"status", "assignee", "resolution"}
    assert read["fields"]["assignee"]["displayName"] == "Ada Lovelace"
    link = jira.create_or_update_remote_issue_link(key, data={"globalId": "g", "object": {"url": LINK, "title": "I"}})
    assert jira.get_remote_issue_links(key, global_id="g")["id"] == link["id"]
    jira.delete_remote_issue_link_by_global_id(key, global_id="g")
    assert jira.get_remote_issue_links(key) == []
    jira.link_issues(data={"type": {"name": "Duplicate"}, "inwardIssue": {"key": second["key"]}, "outwardIssue": {"key": key}})
    jira.set_issue_property(key, "opsknight", data={"v": 2})
    assert jira.get_issue(key, properties="opsknight")["properties"] == {"opsknight": {"v": 2}}
    for one in (key, second["key"]):
        jira.delete_issue(one)
    print(f"atlassian-python-api, Cloud at {base}: well")


def raised(attempt):
    try:
        attempt()
    except Exception as failure:  # both of its kinds of errors carry the words of Jira
        return failure
    raise AssertionError("taken instead of refused")


def judge_tokens():
    wrong = requests.post(f"{BASE}/oauth/token", json={"grant_type": "client_credentials", "client_id": "c", "client_secret": "bad"})
    assert wrong.status_code == 401 and wrong.json()["error"] == "access_denied"
    grant = {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s"}
    given = requests.post(f"{BASE}/oauth/token", json=grant).json()
    assert given["expires_in"] == 3600
    gateway = f"{BASE}/ex/jira/{requests.get(BASE + '/_edge/tenant_info').json()['cloudId']}"
    judge_atlassian_cloud(gateway, token=given["access_token"])
    for url in (f"{gateway}/rest/api/3/myself", f"{BASE}/rest/api/3/myself", f"{BASE}/rest/api/2/myself"):
        assert requests.get(url, headers={"Authorization": "Bearer bad"}).status_code == 401
        assert requests.get(url).status_code == 401


def judge_faults():
    if requests.post(f"{BASE}/fail/lag").status_code != 204:
        print("faults: not judged, there is no POST /fail/{name} here")
        return
    jira = JIRA(BASE, token_auth="good-token", max_retries=0)
    given = {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "Lost", "labels": ["lost-and-found"]}
    fail("lost")
    try:
        jira.create_issue(given)
        raise AssertionError("the answer came")
    except requests.ConnectionError:
        pass
    counts = [len(jira.search_issues("labels = lost-and-found")) for _ in range(4)]
    assert counts == [0, 0, 0, 1], counts
    fail("burst")
    limited = requests.get(f"{BASE}/rest/api/2/myself", auth=("a", "b"))
    assert limited.status_code == 429 and limited.headers["Retry-After"] == "2"
    assert limited.headers["RateLimit-Reason"] == "jira-burst-based"
    fail("captcha")
    assert "CAPTCHA_CHALLENGE" in refused(403, lambda: jira.myself())
    fail("search_everything")
    assert len(jira.search_issues("labels = nothing-has-this")) >= 1
    fail("conflict")
    found = jira.search_issues("labels = lost-and-found")[0]
    refused(409, lambda: jira.transition_issue(found, "31"))
    jira.transition_issue(found, "31")
    fail("deleted")
    refused(404, lambda: jira.issue(found.id))
    print("faults: well")


def main():
    session = requests.Session()
    session.auth = ("admin", "good-token")
    hook = register_webhook(session)
    judge_jira_client("2")
    judge_jira_client("3")
    judge_atlassian_server()
    judge_atlassian_cloud(BASE, username="judge@example.com", password="good-token")
    judge_tokens()
    judge_faults()
    assert session.delete(hook).status_code == 204
    print("all is well")


if __name__ == "__main__":
    main()

"""Judges the simulated GitHub with PyGithub, as it would use a real Enterprise Server.

    python github_simulator.py http://127.0.0.1:8089

The site must be fresh. The faults are judged where POST /fail/{name} asks for one, as the host in tests/it/support/platform.rs has it.
Written with PyGithub 2.10.0 (pip install PyGithub). Plain asserts; prints one line for each part.
"""

import hashlib
import hmac
import http.server
import json
import queue
import sys
import threading

import requests
from github import Auth, Github, GithubException, GithubRetry
from urllib3.util import SKIP_HEADER

BASE = sys.argv[1].rstrip("/")
API = f"{BASE}/api/v3"
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


def client(token, retry=None):
    return Github(auth=Auth.Token(token), base_url=API, retry=retry, seconds_between_writes=0, seconds_between_requests=0)


def refused(status, attempt):
    try:
        attempt()
    except GithubException as error:
        assert error.status == status, (error.status, error.data)
        return json.dumps(error.data)
    raise AssertionError(f"taken instead of refused with {status}")


def fail(name):
    assert requests.post(f"{BASE}/fail/{name}").status_code == 204, name


def call_about(event, action):
    while True:
        headers, body = CALLS.get(timeout=5)
        told = json.loads(body)
        if headers["X-GitHub-Event"] == event and told.get("action") == action:
            digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            assert headers["X-Hub-Signature-256"] == f"sha256={digest}"
            assert headers["User-Agent"].startswith("GitHub-Hookshot/") and headers["X-GitHub-Delivery"]
            return told


def make_webhook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {"url": f"http://127.0.0.1:{server.server_port}/callback", "content_type": "json", "secret": SECRET}
    repository = client("ada-lovelace-token").get_repo("acme/operations")
    hook = repository.create_hook("web", config, ["issues", "issue_comment"], active=True)
    assert hook.active and hook.config["secret"] == "********" and hook.events == ["issues", "issue_comment"]
    assert CALLS.get(timeout=5)[0]["X-GitHub-Event"] == "ping"
    assert [one.id for one in repository.get_hooks()] == [hook.id]
    refused(404, lambda: client("good-token").get_repo("acme/operations").create_hook("web", config))
    return hook


def judge_issues():
    github = client("good-token")
    assert github.get_user().login == "opsknight"
    repository = github.get_repo("acme/operations")
    assert repository.full_name == "acme/operations" and repository.has_issues
    assert repository.permissions.push and not repository.permissions.admin
    assert repository.has_in_assignees("ada-lovelace") and not repository.has_in_assignees("zoe-gone")
    refused(404, lambda: github.get_repo("acme/secret"))
    assert github.get_repo("acme/ops").full_name == "acme/operations", "a renamed repository is found by its former name"

    issue = repository.create_issue("The shop is down", body="Nobody can pay.", labels=["opsknight", "P1"], assignee="grace-hopper")
    assert issue.number == 1 and issue.state == "open" and issue.user.login == "opsknight"
    assert [label.name for label in issue.labels] == ["P1", "opsknight"]
    assert issue.html_url == f"{BASE}/acme/operations/issues/1", issue.html_url
    told = call_about("issues", "opened")
    assert told["issue"]["number"] == 1 and told["repository"]["full_name"] == "acme/operations"
    assert call_about("issues", "labeled")["label"]["name"] in ("P1", "opsknight")

    assert "missing_field" in refused(422, lambda: repository.create_issue(""))
    assert "maximum is 256" in refused(422, lambda: repository.create_issue("x" * 257))
    assert "assignees" in refused(422, lambda: repository.create_issue("t", assignees=["nobody-known"]))
    refused(410, lambda: github.get_repo("acme/without-issues").create_issue("t"))
    refused(404, lambda: repository.get_issue(99999))

    assert [one.number for one in repository.get_issues(labels=["OPSKNIGHT"], state="all")] == [1]
    assert list(repository.get_issues(labels=["opsknight"], state="closed")) == []
    issue.edit(title="The shop is slow", body="Some can pay.", labels=["opsknight"], assignees=["ada-lovelace"])
    told = call_about("issues", "edited")
    assert told["changes"]["title"]["from"] == "The shop is down" and told["sender"]["login"] == "opsknight"
    assert call_about("issues", "assigned")["assignee"]["login"] == "ada-lovelace"
    issue = repository.get_issue(1)
    assert issue.title == "The shop is slow" and [person.login for person in issue.assignees] == ["ada-lovelace"]
    issue.add_to_labels("seen")
    issue.remove_from_labels("seen")
    refused(404, lambda: issue.remove_from_labels("seen"))

    comment = issue.create_comment("Ada looks at it")
    assert comment.user.login == "opsknight"
    assert call_about("issue_comment", "created")["comment"]["body"] == "Ada looks at it"
    comment.edit("Grace looks at it")
    assert call_about("issue_comment", "edited")["changes"]["body"]["from"] == "Ada looks at it"
    assert [one.body for one in issue.get_comments()] == ["Grace looks at it"]
    assert "blank" in refused(422, lambda: issue.create_comment(" "))

    issue.edit(state="closed", state_reason="completed")
    assert call_about("issues", "closed")["issue"]["state_reason"] == "completed"
    issue = repository.get_issue(1)
    assert issue.state == "closed" and issue.state_reason == "completed" and issue.closed_by.login == "opsknight"
    client("ada-lovelace-token").get_repo("acme/operations").get_issue(1).edit(state="open")
    told = call_about("issues", "reopened")
    assert told["sender"]["login"] == "ada-lovelace" and told["issue"]["state"] == "open"
    print("issues: well")


def judge_lists():
    repository = client("good-token").get_repo("acme/website")
    for number in range(35):
        repository.create_issue(f"number {number}", labels=["many"])
    every = [issue.title for issue in repository.get_issues(labels=["many"], sort="created", direction="asc")]
    assert every == [f"number {number}" for number in range(35)]
    github = client("good-token")
    query = "repo:acme/website label:many is:issue number"
    counts = [github.search_issues(query).totalCount for _ in range(3)]
    assert counts == [0, 0, 35], counts
    assert len(list(github.search_issues(query))) == 35
    refused(422, lambda: github.search_issues("repo:acme/secret x").totalCount)
    print("lists and searches: well")


def judge_access():
    assert "Bad credentials" in refused(401, lambda: client("bad-token").get_user().login)
    refused(404, lambda: client("zoe-gone").get_repo("acme/operations"))
    # Whoever may not push makes an issue without labels and assignees.
    issue = client("reader").get_repo("acme/operations").create_issue("t", labels=["x"], assignees=["ada-lovelace"])
    assert issue.labels == [] and issue.assignees == []
    refused(403, lambda: client("reader").get_repo("acme/operations").get_issue(1).edit(title="x"))
    assert requests.get(f"{API}/user", headers={"User-Agent": SKIP_HEADER, "Authorization": "Bearer good"}).status_code == 403
    basic = requests.get(f"{API}/user", auth=("ada-lovelace", "good-token"))
    assert basic.json()["login"] == "ada-lovelace" and basic.headers["X-RateLimit-Resource"] == "core"
    print("access: well")


def judge_people():
    """What only GraphQL can do: delete and transfer."""
    repository = client("good-token").get_repo("acme/operations")
    other = client("good-token").get_repo("acme/website")
    issue = repository.create_issue("goes away")
    ada = {"Authorization": "Bearer ada-lovelace-token"}

    def mutate(name, **given):
        query = f"mutation($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ clientMutationId }} }}"
        body = {"query": query, "variables": {"input": given}}
        answer = requests.post(f"{BASE}/api/graphql", json=body, headers=ada)
        assert answer.status_code == 200 and "errors" not in answer.json(), answer.text

    mutate("transferIssue", issueId=issue.node_id, repositoryId=other.node_id)
    told = call_about("issues", "transferred")
    assert told["changes"]["new_repository"]["full_name"] == "acme/website"
    gone = requests.get(issue.url, headers=ada, allow_redirects=False)
    assert gone.status_code == 301 and "/repositories/502/issues/" in gone.headers["Location"]
    assert repository.get_issue(issue.number).title == "goes away", "the client follows to where it is"
    issue = repository.create_issue("is deleted")
    mutate("deleteIssue", issueId=issue.node_id)
    assert call_about("issues", "deleted")["issue"]["title"] == "is deleted"
    assert "deleted" in refused(410, lambda: repository.get_issue(issue.number))
    print("people: well")


def judge_faults():
    if requests.post(f"{BASE}/fail/lag").status_code != 204:
        print("faults: not judged, there is no POST /fail/{name} here")
        return
    repository = client("good-token").get_repo("acme/operations")
    fail("lost")
    try:
        repository.create_issue("Lost", labels=["lost-and-found"])
        raise AssertionError("the answer came")
    except requests.ConnectionError:
        pass
    counts = [len(list(repository.get_issues(labels=["lost-and-found"]))) for _ in range(4)]
    assert counts == [0, 0, 0, 1], counts
    fail("limited")
    assert "rate limit exceeded" in refused(403, lambda: repository.get_issue(1))
    fail("burst")
    answer = requests.get(f"{API}/user", headers={"Authorization": "Bearer good-token"})
    assert answer.status_code == 403 and answer.headers["Retry-After"] == "2" and "secondary" in answer.json()["message"]
    fail("expired")
    refused(401, lambda: repository.get_issue(1))
    fail("ignores_query")
    assert len(list(repository.get_issues(labels=["nobody-has-this"]))) >= 2
    fail("deleted")
    refused(410, lambda: repository.get_issue(1))
    # PyGithub waits out a limit by itself: it takes ours for a real one.
    fail("burst")
    patient = client("good-token", GithubRetry(total=2, secondary_rate_wait=1))
    assert patient.get_user().login == "opsknight"
    print("faults: well")


def main():
    hook = make_webhook()
    judge_issues()
    judge_lists()
    judge_access()
    judge_people()
    judge_faults()
    hook.delete()
    print("all is well")


if __name__ == "__main__":
    main()

"""Judges a ticket that OpsKnight made in a (simulated) GitLab, as the PyPI client `python-gitlab` sees it.

    python gitlab_ticket.py http://127.0.0.1:8089 inc_… opened

Arguments: the instance, the incident, and the state that the issue must be in. Plain asserts.
"""

import sys

import gitlab

base, incident, state = sys.argv[1:4]
client = gitlab.Gitlab(base, private_token="ada-lovelace-token")
project = client.projects.get("acme/operations")
every = project.issues.list(get_all=True)
ours = [issue for issue in every if incident in (issue.description or "")]
assert len(ours) == 1, [issue.title for issue in every]
issue = ours[0]
assert issue.state == state, issue.state
assert issue.author["username"] == "opsknight", issue.author
assert issue.labels, "a label of ours is what it is found by"
assert f"/incidents/{incident}" in issue.description, issue.description
assert (issue.closed_at is not None) is (state == "closed"), issue.closed_at
print(f"#{issue.iid} is one, {state}")

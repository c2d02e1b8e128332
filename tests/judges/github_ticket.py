"""Judges a ticket that OpsKnight made in a (simulated) GitHub, as the PyPI client `PyGithub` sees it.

    python github_ticket.py http://127.0.0.1:8089 inc_… open

Arguments: the server, the incident, and the state that the issue must be in. Plain asserts.
"""

import sys

from github import Auth, Github

base, incident, state = sys.argv[1:4]
client = Github(auth=Auth.Token("ada-lovelace-token"), base_url=f"{base}/api/v3", retry=None)
repository = client.get_repo("acme/operations")
every = list(repository.get_issues(state="all"))
ours = [issue for issue in every if incident in (issue.body or "")]
assert len(ours) == 1, [issue.title for issue in every]
issue = ours[0]
assert issue.state == state, issue.state
assert issue.user.login == "opsknight", issue.user.login
assert (issue.state_reason == "completed") is (state == "closed"), issue.state_reason
assert issue.labels, "a label of ours is what it is found by"
assert f"/incidents/{incident}" in issue.body, issue.body
print(f"#{issue.number} is one, {state}")

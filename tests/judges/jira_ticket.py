"""Judges a ticket that OpsKnight made in a (simulated) Jira, as the PyPI clients `jira` and `atlassian-python-api` see it.

    python jira_ticket.py http://127.0.0.1:8089 inc_… done

Arguments: the site, the incident, and the status category that the ticket must be in. Plain asserts.
"""

import sys
import warnings

from atlassian import Jira
from jira import JIRA

warnings.filterwarnings("ignore", message="Unable to gather applicationlinks")

base, incident, category = sys.argv[1:4]
client = JIRA(base, basic_auth=("ada.lovelace", "good-password"))
found = client.search_issues('project = OPS ORDER BY created ASC', maxResults=50)
ours = [issue for issue in found if any(label.startswith(f"opsknight-{incident}") for label in issue.fields.labels)]
assert len(ours) == 1, [issue.key for issue in found]
issue = ours[0]
assert issue.fields.status.statusCategory.key == category, issue.fields.status.name
links = client.remote_links(issue)
assert [link.globalId for link in links] == [f"opsknight:{incident}"], links
assert f"/incidents/{incident}" in links[0].object.url, links[0].object.url
assert links[0].object.status.resolved is (category == "done"), links[0].raw
told = client.issue_property(issue, "opsknight").value
assert told.incident == incident, told

other = Jira(url=base, username="ada.lovelace", password="good-password")
fields = other.issue(issue.key)["fields"]
assert fields["summary"] == issue.fields.summary
assert fields["issuetype"]["name"] == "Task"
print(f"{issue.key} is one, {category}, linked back")

"""Reads the mails of one incident as a mail program does, with Python's own `email`: that each is well formed, that text and HTML
say the same, and that all are one thread.

    python email_thread.py <folder> <how many mails> <title>

Several files may be one mail, for several recipients.
"""

import email
import email.errors
import email.policy
import html.parser
import pathlib
import sys

FOLDER, COUNT, TITLE = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


class Texts(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.texts, self.tags, self.links = [], set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_data(self, data):
        self.texts.append(data)


def read(path):
    # An address with letters beyond ASCII stands in a header as it is (RFC 6532).
    mail = email.message_from_string(path.read_bytes().decode(), policy=email.policy.SMTPUTF8)
    for part in mail.walk():
        assert not part.defects, (path, part.defects)
        for name, value in part.items():
            defects = [defect for defect in value.defects if not isinstance(defect, email.errors.NonASCIILocalPartDefect)]
            assert not defects, (name, defects)
    return mail


mails = {mail["Message-ID"]: mail for mail in map(read, FOLDER.iterdir())}
assert len(mails) == COUNT, list(mails)
first = [mail for mail in mails.values() if mail["In-Reply-To"] is None]
assert len(first) == 1, "one mail begins the thread"
root = first[0]["Message-ID"]
for mail in mails.values():
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"].addresses[0].addr_spec == "opsknight@example.com"
    assert mail["Date"].datetime
    expected = f"[Critical] {TITLE}" if mail is first[0] else f"Re: [Critical] {TITLE}"
    assert mail["Subject"] == expected, mail["Subject"]
    if mail is not first[0]:
        assert mail["In-Reply-To"] == root and mail["References"] == root
    assert mail.get_content_type() == "multipart/alternative"
    text = mail.get_body(("plain",)).get_content()
    assert TITLE in text, text
    seen = Texts()
    seen.feed(mail.get_body(("html",)).get_content())
    together = " ".join("".join(seen.texts).split())
    assert TITLE in together, together
    assert not seen.tags & {"script", "img", "b", "iframe", "link"}, seen.tags
    assert all(link.startswith(("http://", "https://")) for link in seen.links), seen.links
    for line in text.splitlines():
        value = line.split(": ", 1)
        if len(value) == 2 and value[0] in ("Status", "Service", "Assignee", "Since"):
            assert value[1] in together, line
print("all is well")

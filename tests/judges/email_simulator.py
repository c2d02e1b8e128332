"""Judges the simulated mail server with Python's own `smtplib`.

    python email_simulator.py 127.0.0.1:8025
"""

import smtplib
import sys
from email.message import EmailMessage

HOST, PORT = sys.argv[1].rsplit(":", 1)


def mail(text="Grüße\n.a dot\n..\n"):
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "ops@example.com", "ada@example.com", "Überlauf " * 20
    made["Date"], made["Message-ID"] = "Mon, 15 Jan 2024 10:30:00 +0000", "<1@example.com>"
    made.set_content(text)
    made.add_alternative("<p>Grüße</p>", subtype="html")
    return made


def refused(code, attempt):
    try:
        attempt()
    except smtplib.SMTPResponseException as error:
        assert error.smtp_code == code, (error.smtp_code, error.smtp_error)
        return
    except smtplib.SMTPRecipientsRefused as error:
        assert all(said[0] == code for said in error.recipients.values()), error.recipients
        return
    raise AssertionError(f"taken instead of refused with {code}")


with smtplib.SMTP(HOST, int(PORT), timeout=10) as client:
    client.ehlo()
    assert client.has_extn("size") and client.has_extn("smtputf8") and not client.has_extn("starttls")
    assert client.send_message(mail()) == {}
    assert client.send_message(mail(), to_addrs=["ada@example.com", "bob@example.com"]) == {}
    assert client.noop()[0] == 250 and client.rset()[0] == 250
    print("mails: well")
    refused(554, lambda: client.sendmail("ops@example.com", ["ada@example.com"], "Subject: nobody wrote this\r\n\r\nx"))
    refused(501, lambda: client.sendmail("ops@example.com", ["nobody"], mail().as_bytes()))
    refused(552, lambda: client.send_message(mail("x" * 60 + "\n") , mail_options=["size=999999"]))
    assert client.docmd("VRFY ada")[0] == 502 and client.docmd("DATA")[0] == 503
    print("refusals: well")
print("all is well")

"""A mail server that takes mails over STARTTLS from the account ada, and keeps each as a file.

    python email_server.py <certificate and key, PEM> <how many> <folder>

Prints the port, and ends once so many came. Written with aiosmtpd 1.4.6 (pip install aiosmtpd).
"""

import pathlib
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

CERTIFICATE, COUNT, FOLDER = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
FOLDER.mkdir()
done = threading.Event()


class Keeper:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        assert session.authenticated and session.ssl, "the account signed in, encrypted"
        self.count += 1
        (FOLDER / str(self.count)).write_bytes(envelope.content)
        if self.count == COUNT:
            done.set()
        return "250 2.0.0 kept"


def is_known(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"ada", b"good-password"))


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(CERTIFICATE)


class AnyPort(Controller):
    # It knocks at the port that it was given, which is not the one that it got.
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = AnyPort(
    Keeper(),
    hostname="127.0.0.1",
    port=0,
    tls_context=context,
    require_starttls=True,
    auth_required=True,
    authenticator=is_known,
    enable_SMTPUTF8=True,
)
controller.start()
print("port", controller.port, flush=True)
ended = done.wait(60)
controller.stop()
sys.exit(0 if ended else 1)

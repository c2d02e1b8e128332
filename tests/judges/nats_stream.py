"""A stream of a NATS server as nats-py sees it.

nats_stream.py make|read SERVERS REPLICAS: makes the stream EVENTS, or prints all of its messages as JSON. SERVERS are URLs with
commas; where they speak TLS, the account is ada's."""
import asyncio
import json
import ssl
import sys

import nats
from nats.js.api import StreamConfig

verb, servers, replicas = sys.argv[1:4]


async def patiently(work):
    """Servers that were just started have to agree on a leader first."""
    for attempt in range(20):
        try:
            return await work()
        except nats.errors.Error:
            if attempt == 19:
                raise
            await asyncio.sleep(0.3)


async def main():
    options = {}
    if servers.startswith("tls:"):
        # Whose certificate it is, OpenSSL could not tell: the tests' authority and its servers have one name.
        context = ssl._create_unverified_context()
        options = {"tls": context, "user": "ada", "password": "good-password"}
    client = await nats.connect(servers.split(","), allow_reconnect=False, **options)
    stream = client.jetstream(timeout=3)
    if verb == "make":
        config = StreamConfig(name="EVENTS", subjects=["ops.>"], num_replicas=int(replicas))
        await patiently(lambda: stream.add_stream(config))
        print("true")
        return
    info = await patiently(lambda: stream.stream_info("EVENTS"))
    found = []
    for number in range(info.state.first_seq, info.state.last_seq + 1):
        message = await patiently(lambda: stream.get_msg("EVENTS", number))
        headers = message.headers or {}
        found.append(
            {
                "id": headers.get("Nats-Msg-Id"),
                "event": headers.get("X-OpsKnight-Event"),
                "type": headers.get("Content-Type"),
                "place": message.subject,
                "body": json.loads(message.data),
            }
        )
    print(json.dumps(found))


asyncio.run(main())

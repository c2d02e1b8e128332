"""A queue of an AMQP server as pika sees it.

amqp_queue.py make|read PORT: makes the durable queue `incidents`, or prints all of its messages as JSON and leaves them there."""
import json
import sys
import time

import pika

verb, port = sys.argv[1:3]
account = pika.PlainCredentials("ada", "good-password")
parameters = pika.ConnectionParameters("127.0.0.1", int(port), "events", account)
for attempt in range(100):
    try:
        connection = pika.BlockingConnection(parameters)
        break
    except pika.exceptions.AMQPError:
        if attempt == 99:
            raise
        time.sleep(0.2)
channel = connection.channel()
if verb == "make":
    channel.queue_declare("incidents", durable=True)
    print("true")
    sys.exit()
found, last = [], None
while True:
    method, properties, body = channel.basic_get("incidents")
    if method is None:
        break
    last = method.delivery_tag
    found.append(
        {
            "id": properties.message_id,
            "event": properties.headers["X-OpsKnight-Event"],
            "type": properties.content_type,
            "place": method.routing_key,
            "mode": properties.delivery_mode,
            "body": json.loads(body),
        }
    )
if last is not None:
    channel.basic_nack(last, multiple=True, requeue=True)
connection.close()
print(json.dumps(found))

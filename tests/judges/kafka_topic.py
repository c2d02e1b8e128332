"""A topic of a Kafka as kafka-python sees it.

kafka_topic.py make|read PORT: makes the topic `incidents` of three partitions, or prints all of its records as JSON, each
partition's in their order."""
import json
import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

verb, port = sys.argv[1:3]
PARTITIONS = 3
server = f"127.0.0.1:{port}"


def patiently(work):
    for attempt in range(60):
        try:
            return work()
        except Exception:
            if attempt == 59:
                raise
            time.sleep(0.5)


if verb == "make":
    patiently(lambda: KafkaAdminClient(bootstrap_servers=server).create_topics([NewTopic("incidents", PARTITIONS, 1)]))
    print("true")
    sys.exit()
consumer = patiently(lambda: KafkaConsumer(bootstrap_servers=server, auto_offset_reset="earliest", isolation_level="read_committed"))
places = [TopicPartition("incidents", number) for number in range(PARTITIONS)]
consumer.assign(places)
ends = patiently(lambda: consumer.end_offsets(places))
consumer.seek_to_beginning()
found = []
until = time.monotonic() + 30
while len(found) < sum(ends.values()) and time.monotonic() < until:
    for records in consumer.poll(500).values():
        for record in records:
            headers = {name: value.decode() for name, value in record.headers}
            found.append(
                {
                    "id": headers["X-OpsKnight-Delivery"],
                    "event": headers["X-OpsKnight-Event"],
                    "type": headers["content-type"],
                    "place": record.key.decode(),
                    "partition": record.partition,
                    "body": json.loads(record.value),
                }
            )
print(json.dumps(found))

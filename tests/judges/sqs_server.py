"""A server of Amazon's services by moto, which checks every signature, and boto3 as the reader of its queue.

Prints one line of JSON with the queue's URL and an access key that may send there; then, for each line of standard input,
the messages that were sent since, as JSON."""
import json
import os
import sys

SET_UP = 4
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = str(SET_UP)

import boto3
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()


def client(service, key="nobody", secret="nothing"):
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


iam = client("iam")
iam.create_user(UserName="opsknight")
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
iam.put_user_policy(UserName="opsknight", PolicyName="sqs", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="opsknight")["AccessKey"]
fifo = {"FifoQueue": "true"}
queue = client("sqs").create_queue(QueueName="incidents.fifo", Attributes=fifo)["QueueUrl"]

print(json.dumps({"queue": queue, "key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}), flush=True)

reader = client("sqs", key["AccessKeyId"], key["SecretAccessKey"])
for _ in sys.stdin:
    found = []
    while True:
        answer = reader.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        messages = answer.get("Messages", [])
        if not messages:
            break
        for message in messages:
            found.append(
                {
                    "body": message["Body"],
                    "event": message["MessageAttributes"]["event"]["StringValue"],
                    "group": message["Attributes"]["MessageGroupId"],
                    "deduplication": message["Attributes"]["MessageDeduplicationId"],
                }
            )
            reader.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    print(json.dumps(found), flush=True)

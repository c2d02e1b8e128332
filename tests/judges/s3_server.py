"""A server of Amazon's services by moto, which checks every signature, and boto3 as the reader of its bucket.

Prints one line of JSON with the bucket's URL and an access key that may put objects there; then, for each line of standard
input, the objects of the bucket, as JSON."""
import json
import os
import sys

SET_UP = 4
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = str(SET_UP)
sys.dont_write_bytecode = True

from moto.server import ThreadedMotoServer

from s3_bucket import BUCKET, client, objects

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
address = f"http://{host}:{port}"
nobody = (address, "nobody", "nothing")

iam = client("iam", *nobody)
iam.create_user(UserName="opsknight")
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="opsknight", PolicyName="s3", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="opsknight")["AccessKey"]
client("s3", *nobody).create_bucket(Bucket=BUCKET)

print(json.dumps({"url": f"{address}/{BUCKET}", "key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}), flush=True)

reader = client("s3", address, key["AccessKeyId"], key["SecretAccessKey"])
for _ in sys.stdin:
    print(json.dumps(objects(reader), default=str), flush=True)

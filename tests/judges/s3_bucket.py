"""Makes and reads a bucket by boto3, Amazon's own client.

    s3_bucket.py make|read ADDRESS KEY SECRET

Whether the server's certificate is good is our own client's to find out."""
import gzip
import io
import json
import sys

import boto3
import pyarrow.parquet

REGION = "us-east-1"
BUCKET = "incidents"


def client(service, address, key, secret):
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=address,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        verify=False,
    )


def objects(reader):
    """What is in the bucket, by key."""
    found = []
    for listed in reader.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        answer = reader.get_object(Bucket=BUCKET, Key=listed["Key"])
        body = answer["Body"].read()
        if answer.get("ContentEncoding") == "gzip":
            body = gzip.decompress(body)
        if listed["Key"].endswith(".parquet"):
            lines = pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
        else:
            lines = [json.loads(line) for line in body.decode().splitlines()]
        found.append(
            {
                "key": listed["Key"],
                "type": answer["ContentType"],
                "storage": answer.get("StorageClass"),
                "lines": lines,
            }
        )
    return found


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    bucket = client("s3", *words)
    if verb == "make":
        bucket.create_bucket(Bucket=BUCKET)
        print("null")
    else:
        print(json.dumps(objects(bucket), default=str))

"""boto3 as a client: reads tasks as lines of JSON, and answers each with a line."""

import json
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

CLIENTS = {}


def client(task):
    """One for each server and key: they keep their connections."""
    name = (task["url"], task["id"], task["secret"])
    if name not in CLIENTS:
        CLIENTS[name] = boto3.client(
            "s3", endpoint_url=task["url"], region_name="us-east-1",
            aws_access_key_id=task["id"], aws_secret_access_key=task["secret"], verify=task["ca"] or None,
            config=Config(signature_version="s3v4", retries={"max_attempts": 0}, s3={"addressing_style": "path"}))
    return CLIENTS[name]


def put(s3, task):
    more = {"ChecksumAlgorithm": "CRC32"} if task.get("checked") else {}
    with open(task["file"], "rb") as body:
        s3.put_object(Bucket=task["bucket"], Key=task["key"], Body=body, **more)


def get(s3, task):
    more = {"Range": "bytes=%d-%d" % (task["first"], task["last"])} if "first" in task else {}
    body = s3.get_object(Bucket=task["bucket"], Key=task["key"], **more)["Body"]
    with open(task["file"], "wb") as file:
        for some in body.iter_chunks(1 << 20):
            file.write(some)


def listing(s3, task):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=task["bucket"], Prefix=task["prefix"])
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def presign(s3, task):
    operation = {"GET": "get_object", "PUT": "put_object"}[task["method"]]
    return s3.generate_presigned_url(operation, Params={"Bucket": task["bucket"], "Key": task["key"]}, ExpiresIn=600)


def remove(s3, task):
    done = s3.delete_objects(Bucket=task["bucket"], Delete={"Objects": [{"Key": key} for key in task["keys"]]})
    if done.get("Errors"):
        raise RuntimeError(done["Errors"])


OPERATIONS = {
    "make": lambda s3, task: s3.create_bucket(Bucket=task["bucket"]) and None,
    "put": put,
    "get": get,
    "list": listing,
    "copy": lambda s3, task: s3.copy_object(
        Bucket=task["bucket"], Key=task["key"], CopySource={"Bucket": task["bucket"], "Key": task["from"]}) and None,
    "parts": lambda s3, task: s3.upload_file(
        task["file"], task["bucket"], task["key"], Config=TransferConfig(multipart_chunksize=16 << 20)),
    "presign": presign,
    "remove": remove,
}

for line in sys.stdin:
    task = json.loads(line)
    try:
        answer = {"value": OPERATIONS[task["op"]](client(task), task)}
    except Exception as error:  # the test judges it
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(answer), flush=True)

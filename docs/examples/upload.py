#!/usr/bin/env python3
"""Sends a file in parts. Run again after a crash it goes on where it was interrupted.

  upload.py FILE ENTITY/PATH
  upload.py --abort FILE ENTITY/PATH   gives up what an interrupted run with FILE has left

IOTFILE_URL           such as https://iotfile.iotfile-system.svc
IOTFILE_TOKEN_FILE    the projected token; default /var/run/iotfile/token
IF_MATCH              the ETag of the file that is to be replaced; without it there must be none
PART_MIB, PARALLEL    size of a part in MiB (16), how many are sent at once (4)
SSL_CERT_FILE         the authority that has signed the server's certificate, if it is a private one

It needs the standard library of Python 3.9 or later, and keeps PARALLEL parts in memory.
"""

import concurrent.futures
import datetime
import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL = os.environ.get("IOTFILE_URL", "")
TOKEN_FILE = os.environ.get("IOTFILE_TOKEN_FILE", "/var/run/iotfile/token")
IF_MATCH = os.environ.get("IF_MATCH", "")
PART_SIZE = int(os.environ.get("PART_MIB", "16")) << 20
PARALLEL = int(os.environ.get("PARALLEL", "4"))

LATER = {408, 429, 502, 503, 504}


class Refused(Exception):
    """An answer that will not change by itself."""

    def __init__(self, status, headers, body):
        self.status, self.headers = status, headers
        try:
            message = json.loads(body)["message"]
        except (ValueError, KeyError, TypeError):
            message = body.decode(errors="replace")
        super().__init__(f"{status}: {message}")


def request(method, address, body=None, headers=None):
    """Sends a request until it gets an answer other than "later"."""
    for attempt in range(10):
        # Read for each attempt: the kubelet replaces the token while this runs.
        with open(TOKEN_FILE, encoding="ascii") as file:
            token = file.read().strip()
        req = urllib.request.Request(URL + address, data=body, method=method, headers=headers or {})
        req.add_header("Authorization", "Bearer " + token)
        if body is not None:
            req.add_header("Content-Type", "application/octet-stream")
        pause = min(2**attempt, 32) + random.random()
        try:
            with urllib.request.urlopen(req, timeout=120) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            failure = Refused(error.code, error.headers, error.read())
            # 401: the token has ended meanwhile, and a new one is in the file, or soon will be.
            if error.code not in LATER and not (error.code == 401 and attempt < 2):
                raise failure from None
            if error.headers.get("Retry-After", "").isdigit():
                pause = int(error.headers["Retry-After"]) + random.random()
        except (OSError, http.client.HTTPException) as error:  # no answer, or half of one
            failure = error
        print(f"{method} {address}: {failure}, again in {pause:.0f} s", file=sys.stderr)
        time.sleep(pause)
    raise failure


class Upload:
    """One file on its way to one address."""

    def __init__(self, path, name):
        info = os.stat(path)
        if info.st_size == 0:
            raise SystemExit(path + " is empty")
        self.path, self.name, self.size = path, name, info.st_size
        self.modified = int(info.st_mtime)
        self.timestamp = datetime.datetime.fromtimestamp(self.modified, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.parts = (self.size - 1) // PART_SIZE + 1
        self.address = "/api/iotfile/v3/files/" + urllib.parse.quote(name)
        # It names the upload: an earlier run with the same file has sent it, too.
        self.key = f"{self.size}-{self.modified}-{PART_SIZE >> 20}"

    def piece(self, number):
        with open(self.path, "rb") as file:
            file.seek((number - 1) * PART_SIZE)
            return file.read(PART_SIZE)

    def send(self, number):
        request("PUT", f"{self.address}?part={number}", self.piece(number))
        print("part", number, file=sys.stderr)

    def start(self):
        """Opens the upload, or finds the one that an earlier run with the same file has opened, by its key. False if the file is there already."""
        headers = {
            "Idempotency-Key": self.key,
            "X-File-Size": str(self.size),
            "timestamp": self.timestamp,
        }
        if IF_MATCH:
            headers["If-Match"] = IF_MATCH
        try:
            request("PUT", self.address + "?upload=start", headers=headers)
            return True
        except Refused as refused:
            if refused.status != 409:
                raise
        # The file exists. If it is this one, an earlier run has completed it, and not lived to see the answer.
        there, _ = request("HEAD", self.address)
        if there["Content-Length"] == str(self.size) and there["timestamp"] == self.timestamp:
            print(f"{self.name} is there, ETag {there['ETag']}")
            return False
        raise SystemExit(f"the file exists, with ETag {there['ETag']}: set IF_MATCH to replace it")

    def abort(self):
        """Gives up what an earlier run with the same file has left. Without the key it would be refused: the upload could be somebody else's."""
        try:
            request("PUT", self.address + "?upload=abort", headers={"Idempotency-Key": self.key})
        except Refused as refused:
            if refused.status != 404:
                raise

    def missing(self):
        """The numbers of the parts that have not arrived, but for the last one."""
        _, listed = request("GET", self.address.replace("/files/", "/fileslist/", 1))
        there = {part["partNo"] for part in json.loads(listed)}
        return [number for number in range(1, self.parts) if number not in there]

    def run(self):
        if not self.start():
            return
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            sent = [pool.submit(self.send, number) for number in self.missing()]
            try:
                for part in concurrent.futures.as_completed(sent):
                    part.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        # The last piece completes the file. That may be repeated, too: it becomes the same part again, and a completion that was successful is
        # answered as before.
        done, _ = request("PUT", self.address + "?upload=complete", self.piece(self.parts))
        print(f"{self.name} is there, ETag {done['ETag']}")


def main(arguments):
    giving_up = arguments[:1] == ["--abort"]
    if giving_up:
        arguments = arguments[1:]
    if len(arguments) != 2 or not URL:
        raise SystemExit(__doc__)
    try:
        upload = Upload(*arguments)
        if giving_up:
            upload.abort()
        else:
            upload.run()
    except (Refused, OSError, http.client.HTTPException) as error:
        raise SystemExit(f"upload.py: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/env bash
# minio-py's admin client raises an error that is no MinioException
#
# Expected: `except MinioException`, the library's base class, catches what MinioAdmin raises, as it catches what Minio raises.
# Seen: minio 7.2.20, on 2026-11-30: MinioAdminException derives from Exception alone. An answer 403 to `policy_add` passes a handler that
#   catches an answer 403 to `make_bucket`.
# Why it matters: a program that makes a bucket and an account beside it ends with a stack trace in place of its own "store does not answer",
#   at the first wrong password.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check minio==7.2.20
cat > "$folder/seen.py" <<'PYTHON'
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioException

BODY = b"<Error><Code>AccessDenied</Code><Message>no</Message><Resource>/</Resource><RequestId>1</RequestId><HostId>1</HostId></Error>"


class Refusal(BaseHTTPRequestHandler):
    """A server that refuses everything."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *words: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Refusal)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"127.0.0.1:{server.server_port}"
store = Minio(address, "key", "secret", secure=False, region="us-east-1")
admin = MinioAdmin(endpoint=address, credentials=StaticProvider("key", "secret"), secure=False, region="us-east-1")

print("minio", version("minio"))
caught = {}
for name, call in (("make_bucket", lambda: store.make_bucket("pictures")), ("policy_add", lambda: admin.policy_add("p", policy={}))):
    try:
        call()
    except MinioException as error:
        caught[name] = True
        print(f"{name}: {type(error).__name__}, a MinioException")
    except Exception as error:
        caught[name] = False
        print(f"{name}: {type(error).__name__}, no MinioException: its bases are {[base.__name__ for base in type(error).__bases__]}")
sys.exit(caught != {"make_bucket": True, "policy_add": False})
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"

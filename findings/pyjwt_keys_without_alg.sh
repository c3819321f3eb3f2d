#!/usr/bin/env bash
# PyJWT makes an RS256 key of every RSA key that names no `alg`, and its client finds no key in a set whose one key has no `kid`
#
# Expected: RFC 7517 (4.4, 4.5) makes `alg` and `kid` of a JWK optional; OpenID Connect Core 1.0 (10.1) lets an issuer with one key leave
#   out `kid`, in the set and in its tokens. So a PS256 token verifies with its RSA key when PS256 is what the caller allows, and the only key
#   of a set verifies a token without `kid`.
# Seen: PyJWT 2.15.1 with cryptography 50.0.2, on 2026-11-30: `PyJWK` without an algorithm of its own chooses RS256 for RSA, before anybody
#   says what is allowed, and `decode(…, algorithms=["PS256"])` then refuses the token ("does not match the key's algorithm"), although
#   `PyJWK(key, "PS256")` verifies it. `PyJWKClient` drops keys without `kid` and raises PyJWKClientError.
# Why it matters: large issuers publish keys without `alg`. Whoever takes PS256 from one refuses every token, and the error blames the token.
#   We bind such a key to the first configured algorithm that it fits, and keep keys without `kid` for tokens without one.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyjwt==2.15.1 cryptography==50.0.2
cat > "$folder/seen.py" <<'PYTHON'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

private = generate_private_key(65537, 2048)
public = {**jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True), "use": "sig"}
public.pop("key_ops", None)
claims = {"sub": "alice"}
tokens = {name: jwt.encode(claims, private, name) for name in ("RS256", "PS256")}


def outcome(call):
    try:
        return "takes it" if call() == claims else "other claims"
    except jwt.PyJWTError as error:
        return f"{type(error).__name__}: {error}"


class Set(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"keys": [public]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Set)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = jwt.PyJWKClient(f"http://127.0.0.1:{server.server_port}/keys")
seen = {
    "PyJWK(key), PS256 allowed": outcome(lambda: jwt.decode(tokens["PS256"], jwt.PyJWK(public), algorithms=["PS256"])),
    "PyJWK(key, 'PS256'), PS256 allowed": outcome(
        lambda: jwt.decode(tokens["PS256"], jwt.PyJWK(public, "PS256"), algorithms=["PS256"])
    ),
    "PyJWKClient, set of one key without kid": outcome(
        lambda: jwt.decode(tokens["RS256"], client.get_signing_key_from_jwt(tokens["RS256"]), algorithms=["RS256"])
    ),
}
server.shutdown()
print(f"pyjwt {version('pyjwt')}, cryptography {version('cryptography')}")
for call, said in seen.items():
    print(f"{call}: {said}")
first, second, third = seen.values()
same = first.startswith("InvalidAlgorithmError") and second == "takes it" and third.startswith("PyJWKClientError")
sys.exit(not same)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"

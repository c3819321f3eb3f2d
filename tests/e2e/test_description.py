"""The service against its own description: Schemathesis asks what the document allows and forbids, in both deployments.

Every answer must have a status, a media type, headers and a body that are documented for it; what does not fit the schema must be
refused, and what fits it accepted (tests/e2e/schemathesis.toml says where that can't be, and why).
"""

import subprocess
import sys
from pathlib import Path

from internal.api.app import api_document
from internal.api.openapi.examples import one_pixel
from internal.domain.api_key import hash_of, new_secret_key, prefix_of
from internal.domain.identity import Scope
from tests.e2e.deployment import Deployment

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
OPERATIONS = sum(len(operations) for operations in api_document()["paths"].values())


def _is_as_described(service: Deployment, folder: Path, authorization: str | None = None) -> None:
    service.processed(
        one_pixel().encode("ascii"), processing="resize:10x10"
    )  # the example of an upload; and something to ask for
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)]
    document = str(service.http.base_url.join("/openapi.json"))
    if authorization:  # a made-up credential beside it is refused
        how = ["--header", f"Authorization: {authorization}", "--generation-with-security-parameters", "false"]
    else:  # everybody is let in, whatever they send
        how = ["--exclude-checks", "ignored_auth"]
    done = subprocess.run([*program, "run", *how, document], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {OPERATIONS}" in done.stdout


def _key_with_every_scope(service: Deployment) -> str:
    """Of the owner of the deployment's own key."""
    key = new_secret_key()
    statement = (
        "INSERT INTO api_keys (id, name, owner, scopes, prefix, hash) SELECT gen_random_uuid(), 'all', owner, %s, %s, %s"
        " FROM api_keys LIMIT 1 RETURNING id"
    )
    assert service.rows(statement, [scope.value for scope in Scope], prefix_of(key), hash_of(key)) != []
    return key


def test_open(in_one_terminal: Deployment, tmp_path: Path) -> None:
    _is_as_described(in_one_terminal, tmp_path)


def test_with_a_key(full_stack: Deployment, tmp_path: Path) -> None:
    _is_as_described(full_stack, tmp_path, f"Bearer {_key_with_every_scope(full_stack)}")

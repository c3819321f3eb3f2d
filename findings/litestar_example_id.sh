#!/usr/bin/env bash
# Litestar writes the name of an example into the OpenAPI document a second time, as a field `id` that OpenAPI does not have
#
# Expected: a document that Litestar generates is valid OpenAPI 3.1. `Example(id="ok", …)` names an example, and its name is its key in
#   `examples`. An Example Object has `summary`, `description`, `value` and `externalValue`, and nothing else (section 4.8.19).
# Seen: Litestar 2.25.0 with openapi-spec-validator 0.9.0, on 2026-11-30: the example has `"id": "ok"` besides its key, and the validator
#   refuses the document. Without an `id` the key is `dict-example-1`, and the document is valid.
# Why it matters: examples can't be named without an invalid document; generators and linters that are strict stop at it.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litestar==2.25.0 openapi-spec-validator==0.9.0
cat > "$folder/seen.py" <<'PYTHON'
import sys
from importlib.metadata import version

from litestar import Litestar, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from openapi_spec_validator import validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError


def examples(example):
    @get("/", responses={200: ResponseSpec(dict[str, str], examples=[example], generate_examples=False)})
    async def report() -> dict[str, str]:
        return {"status": "ok"}

    document = Litestar([report], openapi_config=OpenAPIConfig("t", "1")).openapi_schema.to_schema()
    try:
        validate(document)
        verdict = "valid"
    except OpenAPIValidationError as error:
        verdict = error.message
    return document["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]["examples"], verdict


print("litestar", version("litestar"), "openapi-spec-validator", version("openapi-spec-validator"))
named, refused = examples(Example(id="ok", value={"status": "ok"}))
print("with an id:   ", named, "→", refused)
unnamed, accepted = examples(Example(value={"status": "ok"}))
print("without an id:", unnamed, "→", accepted)
sys.exit(0 if named["ok"].get("id") == "ok" and "'id' was unexpected" in refused and accepted == "valid" else 1)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"

"""Schemathesis hooks for rules that OpenAPI cannot express.

- The server refuses an Idempotency-Key that was used with another request. The hook makes the key of every call
  unique; tests/suite/v1/idempotency.rs tests repeated keys.
- A name must have a visible character. The hook adds a letter to names that may have none;
  tests/suite/fault_injection/hostile_input.rs tests names without one.
- A valid cursor can only be taken from a page. The hook removes generated cursors; tests/suite/v1/lists.rs tests
  forged ones.
"""

import re
import unicodedata
import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[!-~]{1,255}", key):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    name = case.body.get("name") if isinstance(case.body, dict) else None
    if isinstance(name, str) and name and not any(unicodedata.category(letter)[0] in "LNPS" for letter in name):
        if case.meta and case.meta.generation.mode.is_positive and len(name) < 200:
            case.body["name"] = f"x{name}"
    query = case.query or {}
    if "cursor" in query and case.meta and case.meta.generation.mode.is_positive:
        del query["cursor"]

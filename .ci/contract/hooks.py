"""Schemathesis hooks for rules that OpenAPI cannot express.

- The server refuses an Idempotency-Key that was used with another request. The hook makes the key of every call
  unique; tests/suite/v1/idempotency.rs tests repeated keys.
- A valid cursor can only be taken from a page. The hook removes generated cursors; tests/suite/v1/lists.rs tests
  forged ones.
"""

import re
import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[!-~]{1,255}", key):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    query = case.query or {}
    if "cursor" in query and case.meta and case.meta.generation.mode.is_positive:
        del query["cursor"]

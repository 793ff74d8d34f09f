"""What a random caller cannot know, and the description of the API cannot say.

- An Idempotency-Key used before with another request is refused. The key of every call is made
  unique here; repeated keys are the subject of tests/suite/v1/idempotency.rs.
- A cursor comes from a page and from nowhere else. A made-up one is taken away here; forged ones are the
  subject of tests/suite/v1/lists.rs.
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

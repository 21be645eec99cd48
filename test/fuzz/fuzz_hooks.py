"""What schemathesis cannot know by itself."""

import os
import re

import schemathesis

REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


@schemathesis.serializer("application/jsonl")
def jsonl(_context, value):
    return {"data": value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value}


@schemathesis.hook
def map_body(context, body):
    """Puts the judge and the fence of the leased job where some are named: others are refused before anything is done."""
    if "judge-usage" not in context.operation.path or not isinstance(body, dict):
        return body
    fence, judge = body.get("fence"), body.get("judge")
    if type(fence) is not int or not 0 <= fence < 2**53 or not isinstance(judge, str) or not REFERENCE.fullmatch(judge):
        return body
    return {**body, "fence": int(os.environ["GAVEL_FUZZ_FENCE"]), "judge": os.environ["GAVEL_FUZZ_JUDGE"]}

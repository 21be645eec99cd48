"""What schemathesis cannot know by itself."""

import schemathesis


@schemathesis.serializer("application/jsonl")
def jsonl(_context, value):
    return {"data": value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value}

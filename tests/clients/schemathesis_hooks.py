"""Lines of JSON, which schemathesis does not know how to send."""
import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")

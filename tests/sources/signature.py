#!/usr/bin/env python3
"""Every request to S3 carries the signature that botocore makes of it: tests/sources/signature.py <tenon> (needs botocore)."""
import http.server, sys, threading

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from project import Project


class Handler(http.server.BaseHTTPRequestHandler):
    """Lists two objects, and gives each."""
    seen = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.seen.append((self.path, dict(self.headers)))
        body = b"id,paid\n1,yes\n"
        if "list-type" in self.path:
            body = (b"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>shop/a%20b.csv</Key></Contents>"
                    b"<Contents><Key>shop/%C3%A4%2B%28.csv</Key></Contents></ListBucketResult>")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(tenon):
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    project = Project(tenon)
    try:
        project.env.update(KEY="AKIAEXAMPLE", SECRET="bracken/and+fern", TOKEN="tok=en/1")
        project.data(f'read: "s3://lake/shop/*.csv"\nconnect: {{endpoint: "http://127.0.0.1:{server.server_port}", region: eu-west-3, '
                     'access_key: "env:KEY", secret_key: "env:SECRET", session_token: "env:TOKEN"}')
        assert project.add()["rows"] == 2
    finally:
        project.remove()
        server.shutdown()
    assert len(Handler.seen) == 3
    for path, headers in Handler.seen:
        sent = headers["Authorization"]
        signed = sent.split("SignedHeaders=")[1].split(",")[0].split(";")
        assert {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"} <= set(signed)
        request = AWSRequest(method="GET", url=f"http://127.0.0.1:{server.server_port}{path}",
                             headers={name: value for name, value in headers.items() if name.lower() in signed})
        request.context["timestamp"] = headers["x-amz-date"]
        auth = S3SigV4Auth(Credentials("AKIAEXAMPLE", "bracken/and+fern"), "s3", "eu-west-3")
        want = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        assert sent.endswith("Signature=" + want), (path, sent, want)
    print("s3: signatures of a list and two objects equal botocore's")


if __name__ == "__main__":
    main(sys.argv[1])

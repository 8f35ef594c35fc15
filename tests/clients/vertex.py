"""Google's own client of Vertex AI (google-cloud-aiplatform, PredictionServiceClient over REST) against `tenon serve` on a project.

    vertex.py <tenon>

Pointed at the service by its host; no account, anonymous credentials. Ends with status 1 at the first thing that is not as it should be.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1.services.prediction_service import PredictionServiceClient
from google.cloud.aiplatform_v1.services.prediction_service.transports.rest import PredictionServiceRestTransport
from google.protobuf import json_format, struct_pb2

MODEL = "loan-approval"
ENDPOINT = f"projects/here/locations/this-machine/endpoints/{MODEL}"
ROW = {"pirat": 0.45, "hirat": 0.3, "lvrat": 0.95, "chist": 5, "mhist": 2, "phist": "yes", "unemp": 3.9, "selfemp": "no",
       "insurance": "no", "condomin": "no", "single": "yes", "hschool": "yes"}


def check(what, good):
    print(("ok    " if good else "WRONG ") + what, flush=True)
    if not good:
        sys.exit(1)


def value(row):
    return json_format.ParseDict(row, struct_pb2.Value())


def ask(url, verb, rows):
    request = urllib.request.Request(f"{url}/v1/endpoints/{MODEL}:{verb}", json.dumps({"instances": rows}).encode())
    return json.load(urllib.request.urlopen(request, timeout=20))["predictions"]


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    return None


def main():
    tenon = pathlib.Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / MODEL
        shutil.copytree("examples/loan-approval", folder, ignore=shutil.ignore_patterns(".tenon"))
        subprocess.run([tenon, "run", folder], check=True, stdout=subprocess.DEVNULL)
        server = subprocess.Popen([tenon, "serve", folder, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True)
        try:
            url = json.loads(server.stdout.readline())["url"]
            client = PredictionServiceClient(transport=PredictionServiceRestTransport(host=url.removeprefix("http://"), credentials=AnonymousCredentials(), url_scheme="http"))
            rows = [dict(ROW, pirat=0.1 + 0.02 * i) for i in range(20)]
            want, told = ask(url, "predict", rows), ask(url, "explain", rows)
            answer = client.predict(endpoint=ENDPOINT, instances=[value(row) for row in rows])
            check("vertex: predict, every number as over plain JSON", [dict(p) for p in answer.predictions] == want and len({p["probability"] for p in want}) > 5)
            check("vertex: predict names the model and its version", answer.model_version_id == "1" and answer.model_display_name == MODEL and answer.deployed_model_id == f"{MODEL}@1")
            explained = client.explain(endpoint=ENDPOINT, instances=[value(row) for row in rows])
            parts = [e.attributions[0] for e in explained.explanations]
            check("vertex: explain, every contribution as over plain JSON", [dict(part.feature_attributions) for part in parts] == [one["contributions"] for one in told])
            check("vertex: explain adds up to the margin", all(abs(part.baseline_output_value + sum(dict(part.feature_attributions).values()) - part.instance_output_value) < 1e-6 for part in parts))
            raw = client.raw_predict(request={"endpoint": ENDPOINT, "http_body": {"content_type": "application/json", "data": json.dumps({"instances": rows}).encode()}})
            check("vertex: raw_predict, the same answers as bytes of JSON", raw.content_type == "application/json" and json.loads(raw.data)["predictions"] == want)
            error = refused(exceptions.BadRequest, lambda: client.raw_predict(request={"endpoint": ENDPOINT, "http_body": {"content_type": "text/csv", "data": b"1,2"}}))
            check(f"vertex: raw_predict of another type is BadRequest: {error and error.message[:60]}", error is not None and "text/csv" in str(error))
            plain = urllib.request.urlopen(urllib.request.Request(f"{url}/v1/{ENDPOINT}:rawPredict", json.dumps({"instances": rows}).encode()), timeout=20)
            check("vertex: rawPredict of the bytes alone", json.load(plain)["predictions"] == want)
            check("vertex: an unknown endpoint is NotFound", refused(exceptions.NotFound, lambda: client.predict(endpoint=ENDPOINT + "-none", instances=[value(ROW)])) is not None)
            error = refused(exceptions.BadRequest, lambda: client.predict(endpoint=ENDPOINT, instances=[value({"pirat": "x"})]))
            check(f"vertex: a wrong field is BadRequest: {error and error.message[:60]}", error is not None and "pirat" in str(error))
        finally:
            server.terminate()
            check("the server ends with status 0", server.wait(20) == 0)


if __name__ == "__main__":
    main()

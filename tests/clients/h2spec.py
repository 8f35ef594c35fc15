#!/usr/bin/env python3
"""h2spec, the conformance test of HTTP/2 and HPACK, strict, against our server: tests/clients/h2spec.py <edge_bench_server> <h2spec>
One of its cases cannot hold where HTTP/1.1 is spoken on the same port: a first line that is no preface is answered by HTTP/1.1 there, and then closed."""
import pathlib, subprocess, sys, tempfile
from xml.etree import ElementTree

NOT_HERE = {"Sends invalid connection preface"}


def main(server, h2spec):
    process = subprocess.Popen([server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "report.xml"
            done = subprocess.run([h2spec, "--strict", "-h", "127.0.0.1", "-p", str(port), "-o", "10", "--junit-report", report], capture_output=True, text=True, timeout=500)
            if not report.exists():
                raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
            cases = list(ElementTree.parse(report).iter("testcase"))
        failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        wrong = [case for case in failed if case.get("classname") not in NOT_HERE]
        for case in wrong:
            print(f"{case.get('package')}: {case.get('classname')}: {''.join(case.itertext())[:500]}")
        if wrong or len(cases) < 140:
            raise SystemExit(f"h2spec: {len(wrong)} of {len(cases)} cases fail")
        assert process.poll() is None, "the server ended"
        print(f"h2spec: {len(cases) - len(failed)} of {len(cases)} cases, strict; the other: {', '.join(case.get('classname') for case in failed)}")
    finally:
        process.stdin.close()
        process.wait(20)


if __name__ == "__main__":
    main(*sys.argv[1:3])

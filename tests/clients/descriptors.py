"""What reflection gives out is what protoc makes of api/*.proto. Called by run.sh."""
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

for path in sorted(pathlib.Path("api").glob("*.proto")):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "set"
        if protoc.main(["protoc", "-Iapi", f"--descriptor_set_out={out}", str(path)]) != 0:
            sys.exit(f"WRONG protoc refuses {path}")
        theirs = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    ours = descriptor_pb2.FileDescriptorProto.FromString(
        subprocess.run([sys.executable, "tools/proto_descriptors.py", "--raw", str(path)], capture_output=True, check=True).stdout)
    if ours != theirs:
        sys.exit(f"WRONG {path}: the descriptor is not protoc's\n--- ours\n{ours}\n--- protoc\n{theirs}")
    print(f"ok    {path} as protoc has it")

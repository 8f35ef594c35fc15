#!/usr/bin/env python3
"""Turns the .proto files of api/ into the descriptors that server reflection gives out.

    tools/proto_descriptors.py <out.cc> <file.proto>...    C++ with one ProtoFile a file (src/edge/grpc_internal.h)
    tools/proto_descriptors.py --raw <file.proto>          the serialized FileDescriptorProto, to standard output

It knows the part of the language that api/ uses: messages, enumerations, oneofs, maps, services; no imports, no options.
Field numbers of descriptors: https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/descriptor.proto
"""
import pathlib
import re
import sys

SCALARS = {"double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8, "string": 9,
           "bytes": 12, "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18}
MESSAGE, ENUM = 11, 14


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


def camel(name, first_up):
    parts = name.split("_")
    joined = parts[0] + "".join(p[:1].upper() + p[1:] for p in parts[1:])
    return joined[:1].upper() + joined[1:] if first_up else joined


class Parser:
    def __init__(self, source, name):
        source = re.sub(r"//[^\n]*|/\*.*?\*/", "", source, flags=re.S)
        self.tokens = re.findall(r'"[^"]*"|[A-Za-z_][\w.]*|\d+|[^\s\w]', source)
        self.at = 0
        self.name = name
        self.package = ""
        self.kinds = {}    # full name -> MESSAGE or ENUM
        self.symbols = []
        self.messages, self.enums, self.services = [], [], []

    def take(self, expected=None):
        token = self.tokens[self.at]
        self.at += 1
        if expected is not None and token != expected:
            raise SystemExit(f"{self.name}: expected {expected}, found {token}")
        return token

    def peek(self):
        return self.tokens[self.at]

    def file(self):
        while self.at < len(self.tokens):
            word = self.take()
            if word == "syntax":
                self.take("=")
                if self.take() != '"proto3"':
                    raise SystemExit(f"{self.name}: only proto3")
                self.take(";")
            elif word == "package":
                self.package = self.take()
                self.take(";")
            elif word == "message":
                self.messages.append(self.message(self.package))
            elif word == "enum":
                self.enums.append(self.enum(self.package))
            elif word == "service":
                self.services.append(self.service())
            else:
                raise SystemExit(f"{self.name}: {word} is not known here")
        return self

    def message(self, scope):
        name = self.take()
        full = f"{scope}.{name}"
        self.kinds[full] = MESSAGE
        self.symbols.append(full)
        node = {"name": name, "full": full, "fields": [], "nested": [], "enums": [], "oneofs": []}
        self.take("{")
        while self.peek() != "}":
            if self.peek() == "message":
                self.take()
                node["nested"].append(self.message(full))
            elif self.peek() == "enum":
                self.take()
                node["enums"].append(self.enum(full))
            elif self.peek() == "oneof":
                self.take()
                node["oneofs"].append(self.take())
                self.take("{")
                while self.peek() != "}":
                    self.field(node, len(node["oneofs"]) - 1)
                self.take("}")
            else:
                self.field(node, None)
        self.take("}")
        return node

    def field(self, node, oneof):
        repeated = self.peek() == "repeated"
        if repeated:
            self.take()
        kind = self.take()
        key = value = None
        if kind == "map":
            self.take("<")
            key = self.take()
            self.take(",")
            value = self.take()
            self.take(">")
        name = self.take()
        self.take("=")
        field_number = int(self.take())
        self.take(";")
        if key is not None:
            entry = camel(name, True) + "Entry"
            full = f"{node['full']}.{entry}"
            self.kinds[full] = MESSAGE
            node["nested"].append({"name": entry, "full": full, "nested": [], "enums": [], "oneofs": [], "map": True,
                                   "fields": [("key", 1, key, False, None), ("value", 2, value, False, None)]})
            kind, repeated = entry, True
        node["fields"].append((name, field_number, kind, repeated, oneof))

    def enum(self, scope):
        name = self.take()
        self.kinds[f"{scope}.{name}"] = ENUM
        self.symbols.append(f"{scope}.{name}")
        values = []
        self.take("{")
        while self.peek() != "}":
            value = self.take()
            self.take("=")
            values.append((value, int(self.take())))
            self.take(";")
        self.take("}")
        return name, values

    def service(self):
        name = self.take()
        full = f"{self.package}.{name}"
        self.symbols.append(full)
        methods = []
        self.take("{")
        while self.peek() != "}":
            self.take("rpc")
            method = self.take()
            self.symbols.append(f"{full}.{method}")
            sides = []
            for side in range(2):
                if side == 1:
                    self.take("returns")
                self.take("(")
                stream = self.peek() == "stream"
                if stream:
                    self.take()
                sides.append((self.take(), stream))
                self.take(")")
            self.take(";")
            methods.append((method, sides))
        self.take("}")
        return name, methods

    def find(self, name, scope):
        while True:
            full = f"{scope}.{name}"
            if full in self.kinds:
                return full
            if "." not in scope:
                raise SystemExit(f"{self.name}: no type {name}")
            scope = scope.rsplit(".", 1)[0]

    def encode_field(self, field, scope):
        name, field_number, kind, repeated, oneof = field
        out = text(1, name) + number(3, field_number) + number(4, 3 if repeated else 1)
        if kind in SCALARS:
            out += number(5, SCALARS[kind])
        else:
            full = self.find(kind, scope)
            out += number(5, self.kinds[full]) + text(6, "." + full)
        if oneof is not None:
            out += number(9, oneof)
        return out + text(10, camel(name, False))

    def encode_message(self, node):
        out = text(1, node["name"])
        for field in node["fields"]:
            out += text(2, self.encode_field(field, node["full"]))
        for nested in node["nested"]:
            out += text(3, self.encode_message(nested))
        for enum in node["enums"]:
            out += text(4, self.encode_enum(enum))
        if node.get("map"):
            out += text(7, number(7, 1))
        for oneof in node["oneofs"]:
            out += text(8, text(1, oneof))
        return out

    def encode_enum(self, enum):
        name, values = enum
        return text(1, name) + b"".join(text(2, text(1, value) + number(2, of)) for value, of in values)

    def encode_service(self, service):
        name, methods = service
        out = text(1, name)
        for method, ((asks, asks_stream), (gives, gives_stream)) in methods:
            body = text(1, method)
            body += text(2, "." + self.find(asks, self.package)) + text(3, "." + self.find(gives, self.package))
            if asks_stream:
                body += number(5, 1)
            if gives_stream:
                body += number(6, 1)
            out += text(2, body)
        return out

    def encode(self):
        out = text(1, self.name) + text(2, self.package)
        out += b"".join(text(4, self.encode_message(m)) for m in self.messages)
        out += b"".join(text(5, self.encode_enum(e)) for e in self.enums)
        out += b"".join(text(6, self.encode_service(s)) for s in self.services)
        return out + text(12, "proto3")


def read(path):
    path = pathlib.Path(path)
    return Parser(path.read_text(), path.name).file()


def literal(data):
    lines = []
    for i in range(0, len(data), 32):
        lines.append('    "' + "".join(f"\\{byte:03o}" for byte in data[i:i + 32]) + '"')
    return "\n".join(lines)


def main():
    if sys.argv[1] == "--raw":
        sys.stdout.buffer.write(read(sys.argv[2]).encode())
        return
    files = [read(path) for path in sys.argv[2:]]
    out = ["// Made by tools/proto_descriptors.py from api/. Do not edit.", '#include "edge/grpc_internal.h"', "",
           "namespace tenon::edge {", "namespace {", ""]
    for i, file in enumerate(files):
        names = ", ".join(f'"{s}"' for s in file.symbols)
        out.append(f"constexpr std::string_view kSymbols{i}[] = {{{names}}};")
        out.append(f"constexpr char kBytes{i}[] =\n{literal(file.encode())};")
    out += ["", "}  // namespace", "", "const ProtoFile kProtoFiles[] = {"]
    for i, file in enumerate(files):
        out.append(f'    {{"{file.name}", {{kBytes{i}, sizeof kBytes{i} - 1}}, kSymbols{i}, {len(file.symbols)}}},')
    out += ["};", f"const std::size_t kProtoFileCount = {len(files)};", "", "}  // namespace tenon::edge", ""]
    pathlib.Path(sys.argv[1]).write_text("\n".join(out))


if __name__ == "__main__":
    main()

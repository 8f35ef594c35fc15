"""A Tenon model in Python without a service, through libtenon and ctypes only.

    import tenon
    model = tenon.Model("loan-approval@1.tenon", library="build/lib/libtenon.so")
    model.predict({"pirat": 0.45, "phist": "yes", ...})   # [0.8123...]: the probability of model.classes[1]
    model.explain({...})                                   # ({"pirat": 0.31, ...}, base)

From the command line: tenon.py model.tenon < rows.csv, with LIBTENON naming the library. A Model is for one thread at a time."""
import csv
import ctypes
import math
import os
import sys

NUMBER, WHOLE, BOOL, TEXT, TIME = 1, 2, 3, 4, 5


class TenonError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class _Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("message", ctypes.c_char * 508)]


class _Input(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int32), ("required", ctypes.c_int32), ("least", ctypes.c_double),
                ("most", ctypes.c_double), ("domain", ctypes.c_int32)]


class _Value(ctypes.Structure):
    _fields_ = [("number", ctypes.c_double), ("text", ctypes.c_char_p), ("size", ctypes.c_size_t)]


def _load(path):
    library = ctypes.CDLL(path)
    pointer = ctypes.c_void_p
    for name, result, arguments in [
            ("tn_abi", ctypes.c_int32, []),
            ("tn_open_file", ctypes.c_int32, [ctypes.c_char_p, pointer, pointer]),
            ("tn_close", None, [pointer]),
            ("tn_inputs", ctypes.c_int32, [pointer]),
            ("tn_input_at", ctypes.c_int32, [pointer, ctypes.c_int32, pointer, pointer]),
            ("tn_outputs", ctypes.c_int32, [pointer]),
            ("tn_classes", ctypes.c_int32, [pointer]),
            ("tn_class_at", ctypes.c_char_p, [pointer, ctypes.c_int32]),
            ("tn_session_open", ctypes.c_int32, [pointer, pointer, pointer]),
            ("tn_session_close", None, [pointer]),
            ("tn_predict", ctypes.c_int32, [pointer, pointer, pointer, pointer, pointer]),
            ("tn_explain", ctypes.c_int32, [pointer, pointer, ctypes.c_int32, pointer, pointer, pointer])]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    if library.tn_abi() != 1:
        raise TenonError(9, f"{path} has version {library.tn_abi()} of the interface, this file knows 1")
    return library


class Model:
    def __init__(self, path, library="libtenon.so.1"):
        self._model, self._session = ctypes.c_void_p(), ctypes.c_void_p()
        self._tn = _load(library)
        self._error = _Error()
        self._check(self._tn.tn_open_file(os.fsencode(path), ctypes.byref(self._model), ctypes.byref(self._error)))
        self._check(self._tn.tn_session_open(self._model, ctypes.byref(self._session), ctypes.byref(self._error)))
        self.inputs = []
        for i in range(self._tn.tn_inputs(self._model)):
            one = _Input()
            self._check(self._tn.tn_input_at(self._model, i, ctypes.byref(one), ctypes.byref(self._error)))
            self.inputs.append((one.name.decode(), one.type))
        self.classes = [self._tn.tn_class_at(self._model, i).decode() for i in range(self._tn.tn_classes(self._model))]
        self._row = (_Value * max(len(self.inputs), 1))()
        self._values = (ctypes.c_float * self._tn.tn_outputs(self._model))()
        self._decision = ctypes.c_int32()

    def __del__(self):
        if getattr(self, "_tn", None) is not None:
            self._tn.tn_session_close(self._session)
            self._tn.tn_close(self._model)

    def _check(self, code):
        if code != 0:
            raise TenonError(code, self._error.message.decode(errors="replace"))

    def _fill(self, row):
        unknown = set(row) - {name for name, _ in self.inputs}
        if unknown:
            raise TenonError(3, f"no input {sorted(unknown)[0]!r}; there are: {', '.join(name for name, _ in self.inputs)}")
        kept = []  # the bytes must live until the call is done
        for slot, (name, kind) in zip(self._row, self.inputs):
            value = row.get(name)
            slot.number, slot.text, slot.size = math.nan, None, 0
            if isinstance(value, str):
                kept.append(value.encode())
                slot.text, slot.size = kept[-1], len(kept[-1])
            elif value is not None:
                slot.number = float(value)
        return kept

    def predict(self, row):
        kept = self._fill(row)
        self._check(self._tn.tn_predict(self._session, self._row, self._values, ctypes.byref(self._decision), ctypes.byref(self._error)))
        del kept
        return list(self._values)

    def decide(self, row):
        """The class, or the value of a regression."""
        values = self.predict(row)
        return self.classes[self._decision.value] if self._decision.value >= 0 else values[0]

    def explain(self, row, output=0):
        kept = self._fill(row)
        parts, base = (ctypes.c_double * max(len(self.inputs), 1))(), ctypes.c_double()
        self._check(self._tn.tn_explain(self._session, self._row, output, parts, ctypes.byref(base), ctypes.byref(self._error)))
        del kept
        return {name: parts[i] for i, (name, _) in enumerate(self.inputs)}, base.value


def cell(text, kind):
    if text == "":
        return None
    if kind in (TEXT, TIME):
        return text
    return {"true": 1, "false": 0}.get(text) if text in ("true", "false") else float(text)


def main():
    model = Model(sys.argv[1], os.environ.get("LIBTENON", "libtenon.so.1"))
    for line in csv.DictReader(sys.stdin):
        row = {name: cell(line[name], kind) for name, kind in model.inputs}
        decision = model.decide(row)
        print(*(f"{value:.9g}" for value in model._values), decision if model.classes else "-")


if __name__ == "__main__":
    main()

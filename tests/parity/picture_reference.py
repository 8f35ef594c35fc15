"""Makes small pictures of every form there is, and records what Pillow and NumPy make of them, and ONNX Runtime of those, for
src/transform/picture_test.cc.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy==2.2.6 pillow==12.0.0
    python tests/parity/picture_reference.py tests/parity/networks > tests/parity/pictures.json
"""

import base64
import io
import json
import struct
import sys
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a colour type


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed(values, depth):
    """One row of samples as bytes."""
    if depth == 16:
        return b"".join(struct.pack(">H", v) for v in values)
    bits = "".join(format(v, f"0{depth}b") for v in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def filtered(rows, step):
    """Scan lines, each under another of the five filters."""
    out, before = b"", bytes(len(rows[0])) if rows else b""
    for number, row in enumerate(rows):
        kind = number % 5
        made = bytearray()
        for i, value in enumerate(row):
            a = row[i - step] if i >= step else 0
            b = before[i]
            c = before[i - step] if i >= step else 0
            p = a + b - c
            paeth = a if abs(p - a) <= abs(p - b) and abs(p - a) <= abs(p - c) else b if abs(p - b) <= abs(p - c) else c
            made.append((value - [0, a, b, (a + b) // 2, paeth][kind]) & 255)
        out += bytes([kind]) + bytes(made)
        before = row
    return out


def png(samples, depth, colour, more=b"", interlaced=False):
    """samples: [height][width][samples a pixel]."""
    height, width = len(samples), len(samples[0])
    step = max(1, SAMPLES[colour] * depth // 8)
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    body = b""
    for x, y, dx, dy in passes:
        rows = [packed([s for pixel in row[x::dx] for s in pixel], depth) for row in samples[y::dy] if row[x::dx]]
        body += filtered(rows, step)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))) + more +
            chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))


def drawn(width, height, samples, most, seed):
    """A gradient with noise, so that pixels differ from their neighbours and rows from each other."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([(np.sin(x / (3.0 + k)) * np.cos(y / (4.0 - k / 2)) + 1) / 2 for k in range(samples)], axis=-1)
    return np.clip(waves * most + draw.normal(size=waves.shape) * most / 12, 0, most).astype(np.int64)


def opened(data, mode):
    return np.asarray(Image.open(io.BytesIO(data)).convert(mode))


PICTURES = []


def picture(name, data, mode="RGB", pixels=None, within=0):
    """`mode`: what Pillow converts to; `pixels`: where its own reading is not meant."""
    pixels = opened(data, mode) if pixels is None else pixels
    PICTURES.append({"name": name, "file": base64.b64encode(data).decode(), "width": int(pixels.shape[1]), "height": int(pixels.shape[0]),
                     "pixels": base64.b64encode(pixels.astype(np.uint8).tobytes()).decode(), "channels": 1 if pixels.ndim == 2 else 3, "within": within})
    return pixels


def pictures():
    for depth in (1, 2, 4, 8):
        picture(f"PNG grey {depth} bits", png(drawn(13, 11, 1, 2**depth - 1, depth).tolist(), depth, 0), "L")
        colours = drawn(2**depth, 1, 3, 255, 20 + depth)[0].astype(np.uint8)
        places = drawn(13, 11, 1, 2**depth - 1, 30 + depth).tolist()
        picture(f"PNG palette {depth} bits", png(places, depth, 3, chunk(b"PLTE", colours.tobytes())))
        picture(f"PNG palette {depth} bits, transparent", png(places, depth, 3, chunk(b"PLTE", colours.tobytes()) + chunk(b"tRNS", b"\x00\x80")))
    deep = drawn(9, 10, 1, 65535, 40)
    picture("PNG grey 16 bits", png(deep.tolist(), 16, 0), pixels=(deep[..., 0] >> 8))  # Pillow clips these at 255
    for interlaced in (False, True):
        how = ", interlaced" if interlaced else ""
        picture("PNG colours" + how, png(drawn(17, 12, 3, 255, 50).tolist(), 8, 2, interlaced=interlaced))
        picture("PNG colours 16 bits" + how, png(drawn(17, 12, 3, 65535, 51).tolist(), 16, 2, interlaced=interlaced))
        picture("PNG colours and alpha" + how, png(drawn(17, 12, 4, 255, 52).tolist(), 8, 6, interlaced=interlaced))
        picture("PNG grey and alpha" + how, png(drawn(17, 12, 2, 255, 53).tolist(), 8, 4, interlaced=interlaced), "L")
        picture("PNG grey 2 bits" + how, png(drawn(5, 3, 1, 3, 54).tolist(), 2, 0, interlaced=interlaced), "L")
    picture("PNG colours with gamma", png(drawn(17, 12, 3, 255, 55).tolist(), 8, 2, chunk(b"gAMA", struct.pack(">I", 100000))))
    picture("PNG one pixel", png([[[1, 2, 3]]], 8, 2))
    seen = Image.fromarray(drawn(37, 29, 3, 255, 60).astype(np.uint8), "RGB")
    for name, image, settings in [("4:2:0", seen, {"subsampling": 2}), ("4:4:4", seen, {"subsampling": 0}), ("progressive", seen, {"progressive": True}),
                                  ("grey", seen.convert("L"), {}), ("CMYK", seen.convert("CMYK"), {})]:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=85, **settings)
        picture(f"JPEG {name}", out.getvalue(), "L" if name == "grey" else "RGB", within=1)


FILTERS = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "hamming": Image.HAMMING, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def resized():
    out = []
    for channels in (1, 3):
        pixels = drawn(41, 30, channels, 255, 70 + channels).astype(np.uint8)
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        cases = []
        for name, how in FILTERS.items():
            for width, height in [(16, 16), (41, 7), (5, 30), (48, 33), (1, 1), (20, 15)]:
                made = np.asarray(image.resize((width, height), how))
                cases.append({"filter": name, "width": width, "height": height, "pixels": base64.b64encode(made.tobytes()).decode()})
        out.append({"width": 41, "height": 30, "channels": channels, "pixels": base64.b64encode(pixels.tobytes()).decode(), "cases": cases})
    return out


def saved(folder, name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, name, inputs, outputs, [numpy_helper.from_array(value, key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], producer_name="tenon-tests")
    model.ir_version = 9
    onnx.checker.check_model(model)
    path = f"{folder}/{name}.onnx"
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def networks(folder):
    """Two that see colours: one of a fixed size, channels first; one of any size, channels last."""
    value = helper.make_tensor_value_info
    filters = np.random.default_rng(80).normal(size=(5, 3, 3, 3)).astype(np.float32).round(3)
    first = saved(folder, "colours", [helper.make_node("Conv", ["image", "filters"], ["seen"], kernel_shape=[3, 3], strides=[2, 2]), helper.make_node("Relu", ["seen"], ["map"])],
                  [value("image", TensorProto.FLOAT, [None, 3, 16, 12])], [value("map", TensorProto.FLOAT, [None, 5, 7, 5])], {"filters": filters})
    last = saved(folder, "channels_last", [helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2]), helper.make_node("Conv", ["turned", "filters"], ["map"], kernel_shape=[3, 3])],
                 [value("image", TensorProto.FLOAT, [None, None, None, 3])], [value("map", TensorProto.FLOAT, [None, 5, None, None])], {"filters": filters})
    return first, last


def centre(image, edge, width, height):
    """torchvision's Resize(edge) and CenterCrop."""
    w, h = image.size
    short = min(w, h)
    image = image.resize(tuple(edge if side == short else int(edge * side / short) for side in (w, h)), Image.BILINEAR)
    left, top = int(round((image.size[0] - width) / 2.0)), int(round((image.size[1] - height) / 2.0))
    return image.crop((left, top, left + width, top + height))


def embedded(folder):
    first, last = networks(folder)
    files = [png(drawn(w, h, 3, 255, 90 + w).tolist(), 8, 2) for w, h in [(40, 31), (12, 16), (23, 60), (9, 9)]]
    files.append(png(drawn(20, 20, 1, 255, 99).tolist(), 8, 0))
    columns = [[base64.b64encode(data).decode() for data in files]]
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    cases = []

    def case(name, settings, inputs, session):
        maps = [session.run(None, {"image": one[None].astype(np.float32)})[0][0].astype(np.float64).mean(axis=(1, 2)) for one in inputs]
        cases.append({"name": name, "op": "onnx_embedding", "with": settings, "columns": columns, "label": None, "fold": None, "classes": 0, "training": False,
                      "within": 1e-5, "expected": [[float(f"{v:.9g}") for v in row] for row in maps]})

    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    stretched = [np.asarray(image.resize((12, 16), Image.BICUBIC), dtype=np.float64) / 255 for image in images]
    case("stretched and normalised as ImageNet", {"model": "colours.onnx", "image": "rgb", "resample": "bicubic", "mean": mean.tolist(), "std": deviation.tolist()},
         [((one - mean) / deviation).transpose(2, 0, 1) for one in stretched], first)
    cut = [np.asarray(centre(image, 18, 12, 16), dtype=np.float64) / 255 for image in images]
    case("cut to the middle", {"model": "colours.onnx", "image": "rgb", "fit": "crop", "edge": 18}, [one.transpose(2, 0, 1) for one in cut], first)
    wide = [np.asarray(image.resize((10, 9), Image.BILINEAR), dtype=np.float64) for image in images]
    case("channels last, blue first, -1 to 1", {"model": "channels_last.onnx", "image": "bgr", "height": 9, "width": 10, "scale": 1 / 127.5, "mean": [1]},
         [one[..., ::-1] / 127.5 - 1 for one in wide], last)
    return cases


def main(folder):
    pictures()
    cases = embedded(folder)
    print(json.dumps({"pillow": Image.__version__, "onnxruntime": onnxruntime.__version__, "pictures": PICTURES, "resized": resized(), "cases": cases}, separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1])

// Reads the payload of an ONNX model (docs/formats/onnx.md).

#include "model/onnx_model.h"
#include "model/payload_internal.h"
#include "platform/onnx_file.h"

namespace tenon::model {
namespace {

class OnnxFormat final : public Format {
 public:
  Result<std::unique_ptr<Model>> Load(std::string_view payload) const override {
    TENON_ASSIGN(PayloadReader reader, PayloadReader::Open(payload, "TNONNX__", 1, 1), "reading an ONNX model");
    const std::string_view described = reader.GetBytes();
    const std::string_view onnx = reader.GetBytes();
    TENON_TRY(reader.Done(), "reading an ONNX model");
    TENON_ASSIGN(const Json json, Json::Parse(described, "the ONNX payload"));
    TENON_ASSIGN(OnnxSpec spec, OnnxSpec::FromJson(json), "reading an ONNX model");
    TENON_TRY(platform::OnnxFile::Read(onnx));
    spec.onnx = onnx;
    return MakeOnnx(std::move(spec));
  }
};

}  // namespace

Result<void> AddOnnx(Kinds<Format>& kinds) {
  return kinds.Add("onnx",
                   {.summary = "Load a model of another maker, run by ONNX Runtime",
                    .when = "Written by `tenon models import` for what is neither trees nor a weighted sum: pipelines with texts, "
                            "neural networks, images. Needs `tools/setup.sh onnx`; attributions are estimated by samples",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Format>> { return std::make_unique<OnnxFormat>(); });
}

}  // namespace tenon::model

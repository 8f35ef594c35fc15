// Texts, images or numbers to what a trained network of another maker makes of them: transfer learning.

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/hash.h"
#include "transform/columns_internal.h"
#include "transform/embedder_internal.h"

namespace tenon::transform {
namespace {

std::vector<int> WidthsOf(std::span<const Port> in) {
  std::vector<int> out;
  for (const Port& port : in) out.push_back(port.kind == Port::Kind::kVector ? port.width : 1);
  return out;
}

bool Missing(std::span<const Lane> in, std::int64_t row) {
  return in[0].numbers == nullptr && in[0].vectors == nullptr && in[0].Text(row).data() == nullptr;
}

// Nothing is learned of the rows: it carries the network. Of training rows it is known whether they can be read.
class Network final : public State {
 public:
  Network(std::shared_ptr<const Embedder> held, std::span<const Port> in)
      : embedder(std::move(held)), widths(WidthsOf(in)), ports_(in.begin(), in.end()) {}

  void Add(std::span<const Lane> in, const double*, const std::uint8_t*, std::int64_t n) override {
    if (embedder == nullptr) return;
    for (std::int64_t row = 0; row < n; ++row) {
      if (Missing(in, row)) continue;
      ++rows_;
      const Result<void> done = embedder->Readable(in, widths, row);
      if (done) continue;
      ++unreadable_;
      if (why_.empty() || done.error().message() < why_) why_ = done.error().message();
    }
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const Network*>(&other);
    if (same == nullptr) return Error(Code::kInternal, "states of different ops were merged");
    rows_ += same->rows_;
    unreadable_ += same->unreadable_;
    if (why_.empty() || (!same->why_.empty() && same->why_ < why_)) why_ = same->why_;
    return {};
  }
  Result<void> Finish() override {
    if (embedder == nullptr) return Error(Code::kFailedPrecondition, "its model was not given; it is read when the graph is fitted");
    if (unreadable_ * 2 > rows_) {
      return Error(Code::kInvalidArgument, Str(unreadable_, " of ", rows_, " values of '", ports_[0].name, "' cannot be handed to the model, such as one that ", why_));
    }
    TENON_ASSIGN(width, embedder->Width(ports_));
    return {};
  }
  std::vector<std::string> Words() const override {
    if (embedder == nullptr) return {};
    return {Str("a network of ", embedder->onnx().size(), " bytes, SHA-256 ", HashOf(embedder->onnx()).substr(0, 12), "..., that gives ", width, " numbers")};
  }
  std::string Save() const override {
    Writer out;
    out.I64(width);
    out.Text(embedder == nullptr ? std::string_view() : embedder->onnx());
    out.U8(embedder != nullptr && embedder->vocabulary() != nullptr ? 1 : 0);
    if (embedder != nullptr && embedder->vocabulary() != nullptr) out.Text(*embedder->vocabulary());
    return out.Take();
  }
  Result<void> Load(const EmbeddingSettings& settings, std::string_view bytes) {
    Reader in(bytes);
    const std::int64_t saved = in.I64();
    auto onnx = std::make_shared<const std::string>(in.Text());
    std::shared_ptr<const std::string> vocabulary;
    if (in.U8() != 0) vocabulary = std::make_shared<const std::string>(in.Text());
    TENON_TRY(in.Done());
    if (saved < 1 || saved > 1 << 16) return Error(Code::kDataLoss, Str("the saved network gives ", saved, " numbers a row"));
    TENON_ASSIGN(embedder, Embedder::Make(settings, std::move(onnx), std::move(vocabulary)));
    TENON_TRY(embedder->Check(ports_));
    width = static_cast<int>(saved);
    return {};
  }

  std::shared_ptr<const Embedder> embedder;
  std::vector<int> widths;  // of each input
  int width = 0;            // of what it gives

 private:
  std::vector<Port> ports_;
  std::int64_t rows_ = 0, unreadable_ = 0;
  std::string why_;
};

class OnnxEmbedding final : public Op {
 public:
  OnnxEmbedding(EmbeddingSettings settings, std::string model_hash, std::string vocabulary_hash, bool cuts)
      : settings_(std::move(settings)), model_hash_(std::move(model_hash)), vocabulary_hash_(std::move(vocabulary_hash)), cuts_(cuts) {}

  Result<void> Give(std::string_view setting, std::shared_ptr<const std::string> content) override {
    const std::string& wanted = setting == "model" ? model_hash_ : vocabulary_hash_;
    if (!wanted.empty() && HashOf(*content) != wanted) {
      return Error(Code::kInvalidArgument, Str(setting, "_sha256 is ", wanted, ", but the file's is ", HashOf(*content)));
    }
    (setting == "model" ? model_ : vocabulary_) = std::move(content);
    if (model_ == nullptr || (cuts_ && vocabulary_ == nullptr)) return {};
    TENON_ASSIGN(embedder_, Embedder::Make(settings_, model_, vocabulary_));
    return {};
  }
  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    if (in.empty()) return Error(Code::kInvalidArgument, "it needs an input; name a column under 'in'");
    // Widths of vectors may not be known yet; the fit asks again.
    const bool known = std::ranges::all_of(in, [](const Port& port) { return port.width > 0; });
    if (embedder_ != nullptr && known) TENON_TRY(embedder_->Check(in));
    Port port{.name = in.size() == 1 ? Str(in[0].name, "_embedding") : "embedding", .kind = Port::Kind::kVector, .width = 0};
    if (state != nullptr) port.width = static_cast<const Network*>(state)->width;
    for (int part = 0; part < port.width; ++part) port.parts.push_back(Str(port.name, "~", part + 1));
    return std::vector<Port>{std::move(port)};
  }
  bool takes_bytes() const override { return settings_.picture.on(); }
  Result<void> CheckBytes(const State* state, std::string_view value) const override { return static_cast<const Network*>(state)->embedder->CheckPicture(value); }
  std::unique_ptr<State> NewState(std::span<const Port> in, int) const override { return std::make_unique<Network>(embedder_, in); }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    auto state = std::make_unique<Network>(nullptr, in);
    TENON_TRY(state->Load(settings_, bytes));
    return state;
  }
  // One row a run: what a row gets must not hang on the rows beside it. What the network cannot read stays all 0.
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    const auto& network = *static_cast<const Network*>(state);
    for (std::int64_t row = 0; row < n; ++row) {
      if (Missing(in, row)) continue;
      const auto values = network.embedder->Run(in, network.widths, row);
      if (!values || static_cast<int>(values->size()) != network.width) continue;
      std::copy(values->begin(), values->end(), out[0].vectors + row * out[0].stride);
    }
  }

 private:
  EmbeddingSettings settings_;
  std::string model_hash_, vocabulary_hash_;
  bool cuts_;  // there is a vocabulary
  std::shared_ptr<const std::string> model_, vocabulary_;
  std::shared_ptr<const Embedder> embedder_;
};

template <typename T>
T Chosen(const std::string& name, std::initializer_list<const char*> names) {
  return static_cast<T>(std::ranges::find(names, name) - names.begin());
}

Result<PictureSettings> PictureOf(const Options& options) {
  PictureSettings out;
  out.colours = Chosen<PictureSettings::Colours>(options.Text("image"), {"", "rgb", "bgr", "grey"});
  out.fit = Chosen<PictureSettings::Fit>(options.Text("fit"), {"stretch", "crop"});
  out.resample = Chosen<PictureSettings::Resample>(options.Text("resample"), {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"});
  out.edge = options.Int("edge");
  out.height = options.Int("height");
  out.width = options.Int("width");
  out.scale = options.Number("scale");
  out.mean = options.NumberList("mean");
  out.deviation = options.NumberList("std");
  out.most_pixels = options.Int("most_pixels");
  const bool usable = std::ranges::all_of(out.deviation, [](double one) { return std::isfinite(one) && one != 0; });
  if (!usable) return Error(Code::kInvalidArgument, "std: a number of it is 0 or none; pixels are divided by it");
  return out;
}

Result<std::unique_ptr<Op>> Make(const Options& options) {
  EmbeddingSettings settings;
  using Pool = EmbeddingSettings::Pool;
  const std::string pool = options.Text("pool");
  settings.output = options.Text("output");
  settings.pool = pool == "mean" ? Pool::kMean : pool == "first" ? Pool::kFirst : Pool::kAll;
  settings.norm = options.Bool("norm");
  settings.lower = options.Bool("lower");
  settings.length = options.Int("length");
  TENON_ASSIGN(settings.picture, PictureOf(options));
  return std::make_unique<OnnxEmbedding>(settings, options.Text("model_sha256"), options.Text("vocabulary_sha256"), !options.Text("vocabulary").empty());
}

}  // namespace

Result<void> AddOnnxEmbedding(Kinds<Op>& kinds) {
  using Type = Option::Type;
  return kinds.Add(
      "onnx_embedding",
      {.summary = "Let a trained network, an ONNX file, turn texts, images or numbers into a vector",
       .when = "Transfer learning: few labelled texts or images, and a network that was trained on many others. Texts go to a network that "
               "takes strings as they are, and are cut by a WordPiece vocabulary (BERT, MiniLM) for one that takes whole numbers. Images "
               "come as PNG or JPEG (`image`), whose bytes are base64, or are brought in by their files' names (`files:` under `data:`); they are decoded, "
               "resized as Pillow does and scaled. Tensors and lists come as text: base64 of the tensor's bytes or nested lists, of the size the network takes. Numbers and vectors go in "
               "side by side. The bundle carries the file. One row a run, so that rows and batches get the same bits; missing values, and what "
               "the network cannot read, are all 0. Needs tools/setup.sh onnx.",
       .example = R"({"model": "words.onnx"})",
       .options = {{.name = "model", .type = Type::kText, .help = "Path of the ONNX file, from the project's folder", .required = true},
                   {.name = "vocabulary", .type = Type::kText, .fallback = "", .help = "Path of the vocabulary that texts are cut by, a piece a line (vocab.txt)"},
                   {.name = "output", .type = Type::kText, .fallback = "", .help = "Which of the network's outputs; empty: the first"},
                   {.name = "pool", .type = Type::kText, .fallback = "mean",
                    .help = "Of an output with a vector a piece, or with channels over an image: their mean, the first ([CLS]), or all numbers",
                    .choices = {"mean", "first", "all"}},
                   {.name = "norm", .type = Type::kBool, .fallback = false, .help = "Each vector to length 1"},
                   {.name = "lower", .type = Type::kBool, .fallback = true, .help = "Lower case and no accents before cutting, as uncased models want"},
                   {.name = "length", .type = Type::kInt, .fallback = 256, .help = "Most pieces of a text; what comes later is left out", .least = 2, .most = 8192},
                   {.name = "image", .type = Type::kText, .fallback = "",
                    .help = "The column holds pictures, PNG or JPEG: which channels the network takes; empty: it holds none", .choices = {"", "rgb", "bgr", "grey"}},
                   {.name = "fit", .type = Type::kText, .fallback = "stretch",
                    .help = "How a picture gets the network's size: as it is, or its shorter side to `edge` and then the middle", .choices = {"stretch", "crop"}},
                   {.name = "edge", .type = Type::kInt, .fallback = 0, .help = "Of `crop`: the shorter side before cutting (256 is usual for 224); 0: the network's", .least = 0, .most = 4096},
                   {.name = "resample", .type = Type::kText, .fallback = "bilinear", .help = "The filter, as Pillow names it",
                    .choices = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"}},
                   {.name = "height", .type = Type::kInt, .fallback = 0, .help = "Of a network that leaves it open; 0: the network's", .least = 0, .most = 4096},
                   {.name = "width", .type = Type::kInt, .fallback = 0, .help = "The same", .least = 0, .most = 4096},
                   {.name = "scale", .type = Type::kNumber, .fallback = 0.0, .help = "What pixels (0 to 255) are multiplied by; 0: 1/255 for a network of fractions, else 1"},
                   {.name = "mean", .type = Type::kNumberList, .fallback = Json::MakeArray(), .help = "Taken off after that: a number, or one a channel"},
                   {.name = "std", .type = Type::kNumberList, .fallback = Json::MakeArray(), .help = "Divided by after that: a number, or one a channel"},
                   {.name = "most_pixels", .type = Type::kInt, .fallback = 25'000'000, .help = "A larger picture is not read: it counts as one that cannot be", .least = 1, .most = 200'000'000},
                   {.name = "model_sha256", .type = Type::kText, .fallback = "", .help = "What the file must hash to; a run writes it"},
                   {.name = "vocabulary_sha256", .type = Type::kText, .fallback = "", .help = "The same of the vocabulary"}}},
      Make);
}

}  // namespace tenon::transform

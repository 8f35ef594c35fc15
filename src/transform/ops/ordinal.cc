// Values to their place in an order: a given one, or the sorted values of the training rows.

#include <limits>

#include "transform/keys_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  std::vector<std::string> order;  // as given; empty: learned
  bool number = false;
  KeyCounts counts;
  KeyTable places;

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) {
    if (order.empty()) counts.Add(in, n);
  }
  void Merge(const Learned& other) { counts.Merge(other.counts); }
  void Finish() {
    std::string key;
    for (const std::string& name : order) {
      if (KeyNamed(name, number, &key)) places.Insert(key);
    }
    for (const auto& item : counts.Sorted()) places.Insert(item.key);
  }
  std::string Words() const { return Str("numbered from 0, ", ListedKeys(places, number)); }
  void Save(Writer& out) const {
    out.Size(static_cast<std::size_t>(places.size()));
    SaveKeys(places, out);
  }
  void Load(Reader& in) {
    const std::size_t size = in.Size(8);
    LoadKeys(size, in, &places);
  }
};

class Ordinal final : public EachKey<Learned> {
 public:
  Ordinal(std::vector<std::string> order, double unseen) : order_(std::move(order)), unseen_(unseen) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    std::string key;
    for (const Port& port : in) {
      for (const std::string& name : order_) {
        if (port.kind == Port::Kind::kNumber && !KeyNamed(name, true, &key)) {
          return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a number, but 'order' has '", name, "'"));
        }
      }
      out.push_back({.name = Str(port.name, "_place")});
    }
    return out;
  }

 private:
  Learned Fresh(bool number, int) const override {
    Learned fresh;
    fresh.order = order_;
    fresh.number = number;
    return fresh;
  }
  const KeyTable& Table(const Learned& learned) const override { return learned.places; }
  void Encode(const Learned&, const std::int32_t* index, const Lane& out, std::int64_t n) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      out.numbers[i] = index[i] >= 0          ? index[i]
                       : index[i] == kUnseen ? unseen_
                                             : std::numeric_limits<double>::quiet_NaN();
    }
  }
  std::vector<std::string> order_;
  double unseen_;
};

}  // namespace

Result<void> AddOrdinal(Kinds<Op>& kinds) {
  return kinds.Add("ordinal",
                   {.summary = "Number values by their order",
                    .when = "Values have an order that the model should know (small < medium < large): give it. Without one, the "
                            "sorted values are numbered, which suits trees only. Missing stays missing.",
                    .example = R"({"order": ["small", "medium", "large"], "unseen": -1})",
                    .options = {{.name = "order", .type = Option::Type::kTextList, .fallback = Json::MakeArray(),
                                 .help = "The values in their order, the first becomes 0; empty: as sorted"},
                                {.name = "unseen", .type = Option::Type::kNumber, .fallback = -1.0, .help = "What other values become"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<Ordinal>(options.TextList("order"), options.Number("unseen"));
                   });
}

}  // namespace tenon::transform

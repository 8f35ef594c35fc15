#pragma once

#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "transform/bytes_internal.h"
#include "transform/op.h"

namespace tenon::transform {

// The shapes most ops have. An op that treats each input by itself keeps one `Learned` an input:
//   void Add(const Lane& in, const double* label, const std::uint8_t* fold, std::int64_t n);
//   void Merge(const Learned& other);
//   void Finish();                      // derive what Map needs; Result<void> when the rows may not do
//   void Save(Writer& out) const;       // after Finish
//   void Load(Reader& in);              // gives a finished one; Fail() on nonsense
//   std::string Words() const;          // what was learned, for people; may be left out
template <typename Learned>
class PerInput final : public State {
 public:
  explicit PerInput(std::vector<Learned> inputs) : inputs_(std::move(inputs)) {}

  void Add(std::span<const Lane> in, const double* label, const std::uint8_t* fold, std::int64_t n) override {
    for (std::size_t i = 0; i < inputs_.size(); ++i) inputs_[i].Add(in[i], label, fold, n);
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const PerInput*>(&other);
    if (same == nullptr || same->inputs_.size() != inputs_.size()) {
      return Error(Code::kInternal, "states of different ops were merged");
    }
    for (std::size_t i = 0; i < inputs_.size(); ++i) inputs_[i].Merge(same->inputs_[i]);
    return {};
  }
  Result<void> Finish() override {
    for (Learned& input : inputs_) {
      if constexpr (std::is_void_v<decltype(input.Finish())>) {
        input.Finish();
      } else {
        TENON_TRY(input.Finish());
      }
    }
    return {};
  }
  std::string Save() const override {
    Writer out;
    for (const Learned& input : inputs_) input.Save(out);
    return out.Take();
  }
  std::vector<std::string> Words() const override {
    std::vector<std::string> out;
    if constexpr (requires(const Learned& one) { one.Words(); }) {
      for (const Learned& input : inputs_) out.push_back(input.Words());
    }
    return out;
  }
  static Result<std::unique_ptr<State>> Load(std::vector<Learned> fresh, std::string_view bytes) {
    Reader in(bytes);
    for (Learned& input : fresh) input.Load(in);
    TENON_TRY(in.Done());
    return std::make_unique<PerInput>(std::move(fresh));
  }
  const Learned& at(std::size_t i) const { return inputs_[i]; }

 private:
  std::vector<Learned> inputs_;
};

// invalid_argument unless there is at least one input (at most `most`, when given) and all are numbers.
Result<void> CheckNumbers(std::span<const Port> in, std::size_t most = 0);
// The same for numbers or texts: whatever has keys (see keys_internal.h).
Result<void> CheckKeys(std::span<const Port> in, std::size_t most = 0);

// An op from numbers to numbers, each input by itself: "age" gives "age_<suffix>".
template <typename Learned>
class EachNumber : public Op {
 public:
  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in));
    std::vector<Port> out;
    for (const Port& port : in) out.push_back({.name = Str(port.name, "_", suffix_)});
    return out;
  }
  std::unique_ptr<State> NewState(std::span<const Port> in, int) const override {
    if (!learns_) return nullptr;
    return std::make_unique<PerInput<Learned>>(std::vector<Learned>(in.size(), fresh_));
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    return PerInput<Learned>::Load(std::vector<Learned>(in.size(), fresh_), bytes);
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Learned& learned = state == nullptr ? fresh_ : static_cast<const PerInput<Learned>*>(state)->at(i);
      MapColumn(learned, in[i].numbers, out[i].numbers, n);
    }
  }

 protected:
  // `fresh` is what each input starts from; without `learns` it is all Map needs.
  EachNumber(std::string suffix, Learned fresh, bool learns = true)
      : suffix_(std::move(suffix)), fresh_(std::move(fresh)), learns_(learns) {}
  // `in` and `out` do not overlap.
  virtual void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const = 0;

 private:
  std::string suffix_;
  Learned fresh_;
  bool learns_;
};

}  // namespace tenon::transform

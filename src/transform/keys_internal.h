#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transform/columns_internal.h"
#include "transform/op.h"

namespace tenon::transform {

// Keys: what a value is looked up by. A text is its own key; a number's key is its eight bytes (-0 as 0), so that every
// op that counts or encodes values takes both. A missing value has none: data() is null.
inline double CanonicalNumber(double value) { return value == 0 ? 0.0 : value; }
inline std::string_view KeyAt(const Lane& lane, std::int64_t i, double* room) {
  if (lane.numbers == nullptr) return lane.Text(i);
  if (std::isnan(lane.numbers[i])) return {};
  *room = CanonicalNumber(lane.numbers[i]);
  return {reinterpret_cast<const char*>(room), sizeof *room};
}
// The key as people read it.
std::string KeyName(std::string_view key, bool number);
// The key of what people write: the inverse of KeyName. False for a number that is none.
bool KeyNamed(std::string_view name, bool number, std::string* key);
// Whether a comes before b: numbers by value, texts by bytes.
bool KeyBefore(std::string_view a, std::string_view b, bool number);

// The key under which a missing value counts as a value of its own, for ops that want that; no valid text.
inline constexpr std::string_view kMissingKey("\xFF\x00missing", 9);
inline std::string_view KeyOrMissing(const Lane& lane, std::int64_t i, double* room) {
  const std::string_view key = KeyAt(lane, i, room);
  return key.data() == nullptr ? kMissingKey : key;
}

// Distinct keys numbered in the order of their insertion. Open addressing; a key is hashed once, and one of up to 16 bytes
// is compared without leaving its slot.
class KeyTable {
 public:
  std::int32_t Insert(std::string_view key);      // its number, new or old
  std::int32_t Find(std::string_view key) const;  // or -1
  // The same for the keys of n rows; `missing` for those that have none.
  void Insert(const Lane& lane, std::int64_t n, std::int32_t missing, std::int32_t* ids);
  void Find(const Lane& lane, std::int64_t n, std::int32_t missing, std::int32_t unseen, std::int32_t* ids) const;
  std::int32_t size() const { return static_cast<std::int32_t>(entries_.size()); }
  std::string_view key(std::int32_t id) const {
    const Entry& entry = entries_[static_cast<std::size_t>(id)];
    return {bytes_.data() + entry.offset, entry.size};
  }

 private:
  // All of a key of up to 16 bytes (with its size), two hashes of a longer one.
  struct Print {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
  };
  struct Slot {
    Print print;
    std::int32_t id = -1;
    std::uint32_t size = 0;
  };
  struct Entry {
    std::size_t offset;
    std::uint32_t size;
  };
  static Print PrintOf(std::string_view key);
  static std::size_t HashOf(const Print& print, std::size_t size);
  bool Is(const Slot& slot, const Print& print, std::string_view key) const {
    return slot.print.first == print.first && slot.print.second == print.second && slot.size == key.size() &&
           (key.size() <= 16 || this->key(slot.id) == key);
  }
  std::int32_t FindHere(std::string_view key) const;  // of a table that is not empty
  void Grow();
  std::vector<Slot> slots_;
  std::vector<Entry> entries_;
  std::string bytes_;
};

// The keys' numbers in the order of KeyBefore, kMissingKey last: the same however the keys came in.
std::vector<std::int32_t> InOrder(const KeyTable& table, bool number);
// A table's keys, in their own order, as part of a state's bytes. Loading what is no such table makes `in` fail.
void SaveKeys(const KeyTable& table, Writer& out);
void LoadKeys(std::size_t size, Reader& in, KeyTable* table);

// "3 values: blue, green, red"; beyond 8 the rest is counted.
std::string ListedKeys(const KeyTable& table, bool number);

// How often each key came, and how often none. Adding and merging in any order gives the same Sorted().
class KeyCounts {
 public:
  void Add(const Lane& lane, std::int64_t n);
  void Add(std::string_view key, std::int64_t times);
  void Merge(const KeyCounts& other);
  std::int64_t rows() const { return rows_; }
  std::int64_t missing() const { return missing_; }
  bool number() const { return number_; }

  struct Counted {
    std::string_view key;  // of this object
    std::int64_t count;
  };
  // By key, in the order of KeyBefore.
  std::vector<Counted> Sorted() const;
  // The most frequent first, ties by key; those with at least `least` rows, at most `most` of them (0: all).
  std::vector<Counted> Top(std::int64_t most, std::int64_t least) const;

 private:
  void AddCoded(const Lane& lane, std::int64_t n);
  // What was counted by code goes to the keys; nothing that can be seen changes.
  void Settle() const;
  mutable KeyTable table_;
  mutable std::vector<std::int64_t> counts_;
  // Rows by the codes of the dictionary that came last, one further: the first is for missing ones.
  mutable std::shared_ptr<const table::Dictionary> dictionary_;
  mutable std::vector<std::int64_t> by_code_;
  std::int64_t rows_ = 0;
  std::int64_t missing_ = 0;
  bool number_ = false;
};

// What an op offers when its map is a look-up of the key followed by something that depends on the number found alone:
// the plan then looks each entry of a dictionary up once, not each row. Output i is made from input i.
class KeyOp {
 public:
  static constexpr std::int32_t kMissing = -1;
  static constexpr std::int32_t kUnseen = -2;
  virtual ~KeyOp() = default;
  // Never below kUnseen. `key` is not missing.
  virtual std::int32_t IndexOf(const State* state, std::size_t input, std::string_view key) const = 0;
  // The same for n rows.
  virtual void IndicesOf(const State* state, std::size_t input, const Lane& lane, std::int64_t n, std::int32_t* index) const = 0;
  virtual void MapIndex(const State* state, std::size_t input, const std::int32_t* index, const Lane& out,
                        std::int64_t n) const = 0;
  // Whether its outputs are vectors of zeros with at most a single 1, which then are made from where these are.
  virtual bool gives_ones() const { return false; }
  // The parts that are 1, or -1 where all are 0.
  virtual void Ones(const State*, std::size_t, const std::int32_t*, std::int64_t, std::int32_t*) const {}
};

// An op that encodes the keys of each input by itself. `Learned` as for PerInput; it must be fitted.
template <typename Learned>
class EachKey : public Op, public KeyOp {
 public:
  std::unique_ptr<State> NewState(std::span<const Port> in, int classes) const override {
    return std::make_unique<PerInput<Learned>>(Fresh(in, classes));
  }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    return PerInput<Learned>::Load(Fresh(in, 0), bytes);
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    std::int32_t index[kLaneRows];
    for (std::size_t i = 0; i < in.size(); ++i) {
      IndicesOf(state, i, in[i], n, index);
      Encode(At(state, i), index, out[i], n);
    }
  }
  std::int32_t IndexOf(const State* state, std::size_t input, std::string_view key) const override {
    const std::int32_t id = Table(At(state, input)).Find(key);
    return id >= 0 ? id : Unseen(At(state, input), key);
  }
  void IndicesOf(const State* state, std::size_t input, const Lane& lane, std::int64_t n, std::int32_t* index) const override {
    const Learned& learned = At(state, input);
    Table(learned).Find(lane, n, kMissing, kUnseen, index);
    if (!places_unseen_) return;
    double room = 0;
    for (std::int64_t row = 0; row < n; ++row) {
      if (index[row] == kUnseen) index[row] = Unseen(learned, KeyAt(lane, row, &room));
    }
  }
  void MapIndex(const State* state, std::size_t input, const std::int32_t* index, const Lane& out,
                std::int64_t n) const override {
    Encode(At(state, input), index, out, n);
  }

 protected:
  // places_unseen: Unseen is overridden.
  explicit EachKey(bool places_unseen = false) : places_unseen_(places_unseen) {}
  static const Learned& At(const State* state, std::size_t input) {
    return static_cast<const PerInput<Learned>*>(state)->at(input);
  }
  // One an input; `number` says that its keys are numbers'.
  virtual Learned Fresh(bool number, int classes) const = 0;
  // What keys are looked up in; Encode gets their numbers there, kMissing, or what Unseen says.
  virtual const KeyTable& Table(const Learned& learned) const = 0;
  virtual std::int32_t Unseen(const Learned&, std::string_view) const { return kUnseen; }
  virtual void Encode(const Learned& learned, const std::int32_t* index, const Lane& out, std::int64_t n) const = 0;

 private:
  bool places_unseen_;
  std::vector<Learned> Fresh(std::span<const Port> in, int classes) const {
    std::vector<Learned> fresh;
    for (const Port& port : in) fresh.push_back(Fresh(port.kind == Port::Kind::kNumber, classes));
    return fresh;
  }
};

}  // namespace tenon::transform

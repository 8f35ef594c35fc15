#include "table/column.h"

#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <utility>

#include "base/time.h"

namespace tenon::table {
namespace {

std::size_t ValueBytes(Type type, int width) {
  switch (type) {
    case Type::kBool: return 1;
    case Type::kEmbedding: return sizeof(float) * static_cast<std::size_t>(width);
    default: return 8;
  }
}

struct Buffers {
  std::vector<std::uint64_t> validity;
  std::vector<double> doubles;
  std::vector<std::int64_t> ints;
  std::vector<std::uint8_t> bools;
  std::vector<float> floats;
  std::vector<std::int32_t> codes;
  std::vector<std::int64_t> offsets;
  std::string bytes;
};

// Validity of rows that did not begin at a whole word, and the owner of their values.
struct MovedBits {
  std::shared_ptr<const void> before;
  std::vector<std::uint64_t> validity;
};

// `count` bits from bit `from`, where that is within a word.
std::vector<std::uint64_t> BitsFrom(const std::uint64_t* bits, std::int64_t from, std::int64_t count) {
  const std::uint64_t* word = bits + (from >> 6);
  const std::uint64_t* last = bits + ((from + count - 1) >> 6);
  const int by = static_cast<int>(from & 63);
  std::vector<std::uint64_t> out(static_cast<std::size_t>((count + 63) / 64));
  for (std::uint64_t& to : out) {
    to = *word >> by;
    if (word < last) to |= *++word << (64 - by);
  }
  return out;
}

}  // namespace

Column Column::Fixed(Type type, const void* values, std::int64_t size, const std::uint64_t* validity,
                     std::shared_ptr<const void> owner, int width) {
  Column out;
  out.type_ = type;
  out.width_ = width;
  out.size_ = size;
  out.values_ = values;
  out.validity_ = validity;
  out.owner_ = std::move(owner);
  return out;
}

Column Column::Texts(const std::int64_t* offsets, const char* bytes, std::int64_t size, const std::uint64_t* validity,
                     std::shared_ptr<const void> owner) {
  Column out;
  out.type_ = Type::kString;
  out.size_ = size;
  out.offsets_ = offsets;
  out.bytes_ = bytes;
  out.validity_ = validity;
  out.owner_ = std::move(owner);
  return out;
}

Column Column::Coded(const std::int32_t* codes, std::shared_ptr<const Dictionary> dictionary, std::int64_t size,
                     const std::uint64_t* validity, std::shared_ptr<const void> owner) {
  Column out;
  out.type_ = Type::kString;
  out.size_ = size;
  out.values_ = codes;
  out.dictionary_ = std::move(dictionary);
  out.validity_ = validity;
  out.owner_ = std::move(owner);
  return out;
}

Column Column::Of(std::vector<double> values) {
  auto owner = std::make_shared<std::vector<double>>(std::move(values));
  return Fixed(Type::kFloat64, owner->data(), static_cast<std::int64_t>(owner->size()), nullptr, owner);
}

Column Column::Of(std::vector<std::int64_t> values, Type type) {
  auto owner = std::make_shared<std::vector<std::int64_t>>(std::move(values));
  return Fixed(type, owner->data(), static_cast<std::int64_t>(owner->size()), nullptr, owner);
}

Column Column::Of(const std::vector<std::string>& values) {
  ColumnBuilder builder(Type::kString);
  for (const std::string& value : values) builder.AddText(value);
  return builder.Finish();
}

std::int64_t Column::null_count() const {
  if (validity_ == nullptr) return 0;
  std::int64_t valid = 0;
  for (std::int64_t word = 0; word < size_ >> 6; ++word) valid += std::popcount(validity_[word]);
  if (const std::int64_t rest = size_ & 63; rest != 0) {
    valid += std::popcount(validity_[size_ >> 6] & ((1ULL << rest) - 1));
  }
  return size_ - valid;
}

std::span<const std::uint8_t> Column::bools() const {
  assert(type_ == Type::kBool);
  return {static_cast<const std::uint8_t*>(values_), static_cast<std::size_t>(size_)};
}

std::span<const std::int64_t> Column::ints() const {
  assert(type_ == Type::kInt64 || type_ == Type::kTimestamp);
  return {static_cast<const std::int64_t*>(values_), static_cast<std::size_t>(size_)};
}

std::span<const double> Column::doubles() const {
  assert(type_ == Type::kFloat64);
  return {static_cast<const double*>(values_), static_cast<std::size_t>(size_)};
}

std::span<const float> Column::floats() const {
  assert(type_ == Type::kEmbedding);
  return {static_cast<const float*>(values_), static_cast<std::size_t>(size_) * static_cast<std::size_t>(width_)};
}

std::span<const std::int32_t> Column::codes() const {
  assert(coded());
  return {static_cast<const std::int32_t*>(values_), static_cast<std::size_t>(size_)};
}

double Column::Number(std::int64_t i) const {
  if (IsNull(i)) return std::numeric_limits<double>::quiet_NaN();
  const auto at = static_cast<std::size_t>(i);
  switch (type_) {
    case Type::kBool: return static_cast<double>(bools()[at]);
    case Type::kFloat64: return doubles()[at];
    default: return static_cast<double>(ints()[at]);
  }
}

Json Column::ValueAt(std::int64_t i) const {
  if (IsNull(i)) return {};
  const auto at = static_cast<std::size_t>(i);
  switch (type_) {
    case Type::kBool: return Json(bools()[at] != 0);
    case Type::kInt64: return Json(static_cast<long long>(ints()[at]));
    case Type::kFloat64: return Json(doubles()[at]);
    case Type::kString: return Json(Text(i));
    case Type::kTimestamp: return Json(FormatTimestamp(ints()[at]));
    case Type::kEmbedding: {
      Json out = Json::MakeArray();
      for (float value : floats().subspan(at * static_cast<std::size_t>(width_), static_cast<std::size_t>(width_))) {
        out.Push(Json(static_cast<double>(value)));
      }
      return out;
    }
  }
  return {};
}

Column Column::Slice(std::int64_t from, std::int64_t count) const {
  assert(from >= 0 && count >= 0 && from + count <= size_);
  Column out = *this;
  out.size_ = count;
  if (validity_ != nullptr && (from & 63) == 0) {
    out.validity_ = validity_ + (from >> 6);
  } else if (validity_ != nullptr) {
    auto moved = std::make_shared<MovedBits>();
    moved->before = owner_;
    moved->validity = BitsFrom(validity_, from, count);
    out.validity_ = moved->validity.data();
    out.owner_ = std::move(moved);
  }
  if (dictionary_ != nullptr) {
    out.values_ = static_cast<const std::int32_t*>(values_) + from;
  } else if (type_ == Type::kString) {
    out.offsets_ = offsets_ + from;
  } else {
    out.values_ = static_cast<const char*>(values_) + static_cast<std::size_t>(from) * ValueBytes(type_, width_);
  }
  return out;
}

Column Column::Take(std::span<const std::int64_t> rows) const {
  if (dictionary_ != nullptr) {
    auto owner = std::make_shared<Buffers>();
    owner->codes.reserve(rows.size());
    if (validity_ != nullptr) owner->validity.assign((rows.size() + 63) / 64, 0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      owner->codes.push_back(codes()[static_cast<std::size_t>(rows[i])]);
      if (validity_ != nullptr && !IsNull(rows[i])) owner->validity[i / 64] |= 1ULL << (i % 64);
    }
    return Coded(owner->codes.data(), dictionary_, static_cast<std::int64_t>(rows.size()),
                 validity_ != nullptr ? owner->validity.data() : nullptr, owner);
  }
  ColumnBuilder builder(type_, width_);
  for (const std::int64_t row : rows) {
    const auto at = static_cast<std::size_t>(row);
    if (IsNull(row)) {
      builder.AddNull();
    } else {
      switch (type_) {
        case Type::kBool: builder.AddInt(bools()[at]); break;
        case Type::kFloat64: builder.Add(doubles()[at]); break;
        case Type::kString: builder.AddText(Text(row)); break;
        case Type::kEmbedding:
          builder.AddFloats(floats().subspan(at * static_cast<std::size_t>(width_), static_cast<std::size_t>(width_)));
          break;
        default: builder.AddInt(ints()[at]);
      }
    }
  }
  return builder.Finish();
}

Column Column::Concat(std::span<const Column> parts) {
  if (parts.size() == 1) return parts[0];
  if (parts.empty()) return {};
  const bool one_dictionary = [&] {
    for (const Column& part : parts) {
      if (part.dictionary_ == nullptr || part.dictionary_ != parts[0].dictionary_) return false;
    }
    return true;
  }();
  if (one_dictionary) {
    auto owner = std::make_shared<Buffers>();
    bool any_null = false;
    std::size_t size = 0;
    for (const Column& part : parts) {
      any_null = any_null || part.has_nulls();
      size += static_cast<std::size_t>(part.size_);
    }
    owner->codes.reserve(size);
    if (any_null) owner->validity.assign((size + 63) / 64, 0);
    for (const Column& part : parts) {
      for (std::int64_t i = 0; i < part.size_; ++i) {
        const std::size_t at = owner->codes.size();
        if (any_null && !part.IsNull(i)) owner->validity[at / 64] |= 1ULL << (at % 64);
        owner->codes.push_back(part.codes()[static_cast<std::size_t>(i)]);
      }
    }
    return Coded(owner->codes.data(), parts[0].dictionary_, static_cast<std::int64_t>(size),
                 any_null ? owner->validity.data() : nullptr, owner);
  }
  ColumnBuilder builder(parts[0].type_, parts[0].width_);
  for (const Column& part : parts) {
    assert(part.type_ == parts[0].type_);
    for (std::int64_t i = 0; i < part.size_; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (part.IsNull(i)) {
        builder.AddNull();
        continue;
      }
      switch (part.type_) {
        case Type::kBool: builder.AddInt(part.bools()[at]); break;
        case Type::kFloat64: builder.Add(part.doubles()[at]); break;
        case Type::kString: builder.AddText(part.Text(i)); break;
        case Type::kEmbedding:
          builder.AddFloats(part.floats().subspan(at * static_cast<std::size_t>(part.width_), static_cast<std::size_t>(part.width_)));
          break;
        default: builder.AddInt(part.ints()[at]);
      }
    }
  }
  return builder.Finish();
}

ColumnBuilder::ColumnBuilder(Type type, int width) : type_(type), width_(width) {
  if (type_ == Type::kString) offsets_.push_back(0);
}

void ColumnBuilder::Valid(bool valid) {
  if ((size_ & 63) == 0) validity_.push_back(0);
  if (valid) {
    validity_.back() |= 1ULL << (size_ & 63);
  } else {
    any_null_ = true;
  }
  ++size_;
}

void ColumnBuilder::AddNull() {
  switch (type_) {
    case Type::kBool: bools_.push_back(0); break;
    case Type::kFloat64: doubles_.push_back(0); break;
    case Type::kString: offsets_.push_back(static_cast<std::int64_t>(bytes_.size())); break;
    case Type::kEmbedding: floats_.resize(floats_.size() + static_cast<std::size_t>(width_)); break;
    default: ints_.push_back(0);
  }
  Valid(false);
}

void ColumnBuilder::Add(double value) {
  assert(type_ == Type::kFloat64);
  doubles_.push_back(value);
  Valid(true);
}

void ColumnBuilder::AddInt(std::int64_t value) {
  if (type_ == Type::kBool) {
    bools_.push_back(value != 0 ? 1 : 0);
  } else {
    assert(type_ == Type::kInt64 || type_ == Type::kTimestamp);
    ints_.push_back(value);
  }
  Valid(true);
}

void ColumnBuilder::AddText(std::string_view text) {
  assert(type_ == Type::kString);
  bytes_.append(text);
  offsets_.push_back(static_cast<std::int64_t>(bytes_.size()));
  Valid(true);
}

void ColumnBuilder::AddFloats(std::span<const float> values) {
  assert(type_ == Type::kEmbedding && values.size() == static_cast<std::size_t>(width_));
  floats_.insert(floats_.end(), values.begin(), values.end());
  Valid(true);
}

Column ColumnBuilder::Finish() {
  auto owner = std::make_shared<Buffers>();
  owner->validity = std::move(validity_);
  owner->doubles = std::move(doubles_);
  owner->ints = std::move(ints_);
  owner->bools = std::move(bools_);
  owner->floats = std::move(floats_);
  owner->offsets = std::move(offsets_);
  owner->bytes = std::move(bytes_);
  const std::uint64_t* validity = any_null_ ? owner->validity.data() : nullptr;
  const std::int64_t size = size_;
  const Type type = type_;
  const int width = width_;
  *this = ColumnBuilder(type, width);
  if (type == Type::kString) return Column::Texts(owner->offsets.data(), owner->bytes.data(), size, validity, owner);
  const void* values = type == Type::kBool        ? static_cast<const void*>(owner->bools.data())
                       : type == Type::kFloat64   ? static_cast<const void*>(owner->doubles.data())
                       : type == Type::kEmbedding ? static_cast<const void*>(owner->floats.data())
                                                  : static_cast<const void*>(owner->ints.data());
  return Column::Fixed(type, values, size, validity, owner, width);
}

}  // namespace tenon::table

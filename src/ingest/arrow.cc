#include "ingest/arrow_internal.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/text.h"
#include "ingest/flatbuffer_internal.h"

namespace tenon::ingest {
namespace {

using table::Column;
using table::ColumnBuilder;
using table::Type;
using Layout = ArrowField::Layout;

constexpr std::string_view kMagic = "ARROW1";
constexpr std::uint32_t kContinues = 0xFFFFFFFF;
constexpr int kSchemaKind = 1, kDictionaryKind = 2, kBatchKind = 3;

template <typename T>
T At(std::string_view bytes, std::uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Type TypeOf(const ArrowField& field) {
  if (field.coded) return Type::kString;
  switch (field.layout) {
    case Layout::kBool: return Type::kBool;
    case Layout::kSigned: case Layout::kUnsigned: return Type::kInt64;
    case Layout::kFloat: return Type::kFloat64;
    case Layout::kDays: case Layout::kTime: return Type::kTimestamp;
    case Layout::kEmbedding: return Type::kEmbedding;
    default: return Type::kString;
  }
}

double Half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

// Field of the schema; false for a type that is not read.
bool ReadLayout(const FlatTable& field, ArrowField* out) {
  const FlatTable type = field.Child(3);
  switch (field.Scalar<std::uint8_t>(2)) {
    case 1: out->layout = Layout::kNull; return true;
    case 2:
      out->bits = type.Scalar<std::int32_t>(0);
      out->layout = type.Scalar<std::uint8_t>(1) != 0 ? Layout::kSigned : Layout::kUnsigned;
      return out->bits == 8 || out->bits == 16 || out->bits == 32 || out->bits == 64;
    case 3:
      out->layout = Layout::kFloat;
      out->bits = 16 << std::min<int>(3, type.Scalar<std::uint16_t>(0));
      return out->bits <= 64;
    case 5: out->layout = Layout::kText; return true;
    case 20: out->layout = Layout::kLargeText; return true;
    case 6: out->layout = Layout::kBool; return true;
    case 8: {
      const bool days = type.Scalar<std::int16_t>(0, 1) == 0;
      out->layout = days ? Layout::kDays : Layout::kTime;
      out->factor = days ? 86'400'000'000 : 1000;
      return true;
    }
    case 10: {
      static constexpr std::int64_t kFactors[] = {1'000'000, 1000, 1, -1000};
      const auto unit = type.Scalar<std::uint16_t>(0);
      out->layout = Layout::kTime;
      out->factor = unit < 4 ? kFactors[unit] : 1;
      return unit < 4;
    }
    case 16: {
      out->layout = Layout::kEmbedding;
      out->width = type.Scalar<std::int32_t>(0);
      if (field.Children(5) != 1 || out->width < 1 || out->width > (1 << 20)) return false;
      const FlatTable item = field.ChildAt(5, 0);
      return item.Scalar<std::uint8_t>(2) == 3 && item.Child(3).Scalar<std::int16_t>(0) == 1;
    }
    default: return false;
  }
}

// The buffers of one batch, taken one after another, each inside the body.
class Buffers {
 public:
  Buffers(const FlatTable& batch, std::string_view body)
      : nodes_(batch.Vector(1, 16)), places_(batch.Vector(2, 16)), body_(body), rows_(batch.Scalar<std::int64_t>(0)) {}
  std::int64_t rows() const { return rows_; }
  bool Node(std::int64_t length, std::int64_t* nulls) {
    if (nodes_.size() < 16 || At<std::int64_t>(nodes_, 0) != length) return false;
    *nulls = At<std::int64_t>(nodes_, 8);
    nodes_.remove_prefix(16);
    return *nulls >= 0 && *nulls <= length;
  }
  bool Next(std::string_view* out) {
    if (places_.size() < 16) return false;
    const auto at = At<std::uint64_t>(places_, 0), size = At<std::uint64_t>(places_, 8);
    places_.remove_prefix(16);
    if (at > body_.size() || size > body_.size() - at) return false;
    *out = body_.substr(at, size);
    return true;
  }

 private:
  std::string_view nodes_, places_, body_;
  std::int64_t rows_;
};

bool Holds(std::string_view bytes, std::int64_t count, std::uint64_t width) {
  return static_cast<std::uint64_t>(count) <= bytes.size() / width;
}

bool Valid(std::string_view validity, std::int64_t i) {
  return validity.empty() || (static_cast<unsigned char>(validity[static_cast<std::size_t>(i >> 3)]) >> (i & 7) & 1) != 0;
}

// Calls `use(row, value)` for the values that are there, and AddNull for the others.
template <typename T, typename Use>
bool EachValue(std::string_view bytes, std::string_view validity, std::int64_t rows, ColumnBuilder* out, Use use) {
  if (!Holds(bytes, rows, sizeof(T))) return false;
  for (std::int64_t i = 0; i < rows; ++i) {
    if (!Valid(validity, i)) {
      out->AddNull();
    } else if (!use(At<T>(bytes, static_cast<std::uint64_t>(i) * sizeof(T)))) {
      return false;
    }
  }
  return true;
}

template <typename Use>
bool EachInt(bool is_signed, int bits, std::string_view bytes, std::string_view validity, std::int64_t rows, ColumnBuilder* out, Use use) {
  switch (is_signed ? bits : -bits) {
    case 8: return EachValue<std::int8_t>(bytes, validity, rows, out, use);
    case 16: return EachValue<std::int16_t>(bytes, validity, rows, out, use);
    case 32: return EachValue<std::int32_t>(bytes, validity, rows, out, use);
    case 64: return EachValue<std::int64_t>(bytes, validity, rows, out, use);
    case -8: return EachValue<std::uint8_t>(bytes, validity, rows, out, use);
    case -16: return EachValue<std::uint16_t>(bytes, validity, rows, out, use);
    case -32: return EachValue<std::uint32_t>(bytes, validity, rows, out, use);
    default: return EachValue<std::uint64_t>(bytes, validity, rows, out, use);
  }
}

// An unsigned beyond int64 does not fit.
bool AddInt(ColumnBuilder* out, std::int64_t value) { return out->AddInt(value), true; }
bool AddInt(ColumnBuilder* out, std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return false;
  return out->AddInt(static_cast<std::int64_t>(value)), true;
}
template <typename T>
bool AddInt(ColumnBuilder* out, T value) {
  return out->AddInt(static_cast<std::int64_t>(value)), true;
}

bool ToMicros(std::int64_t value, std::int64_t factor, std::int64_t* out) {
  if (factor > 0) return !__builtin_mul_overflow(value, factor, out);
  const std::int64_t by = -factor;
  *out = value / by - (value % by < 0 ? 1 : 0);
  return true;
}

template <typename Offset>
bool AddTexts(std::string_view offsets, std::string_view texts, std::string_view validity, std::int64_t rows, ColumnBuilder* out) {
  if (rows == 0) return true;
  if (!Holds(offsets, rows + 1, sizeof(Offset))) return false;
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto at = static_cast<std::uint64_t>(i) * sizeof(Offset);
    const auto from = static_cast<std::int64_t>(At<Offset>(offsets, at)), until = static_cast<std::int64_t>(At<Offset>(offsets, at + sizeof(Offset)));
    if (from < 0 || until < from || static_cast<std::uint64_t>(until) > texts.size()) return false;
    if (!Valid(validity, i)) {
      out->AddNull();
      continue;
    }
    const std::string_view text = texts.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(until - from));
    if (!IsUtf8(text)) return false;
    out->AddText(text);
  }
  return true;
}

bool AddEmbeddings(const ArrowField& field, std::string_view validity, Buffers* in, ColumnBuilder* out) {
  std::string_view inner, values;
  std::int64_t nulls = 0, count = 0;
  if (__builtin_mul_overflow(in->rows(), static_cast<std::int64_t>(field.width), &count)) return false;
  if (!in->Node(count, &nulls) || !in->Next(&inner) || !in->Next(&values) || !Holds(values, count, sizeof(float))) return false;
  std::vector<float> row(static_cast<std::size_t>(field.width));
  for (std::int64_t i = 0; i < in->rows(); ++i) {
    if (!Valid(validity, i)) {
      out->AddNull();
      continue;
    }
    std::memcpy(row.data(), values.data() + static_cast<std::size_t>(i) * row.size() * sizeof(float), row.size() * sizeof(float));
    out->AddFloats(row);
  }
  return true;
}

// The values of one column; false for damage.
bool AddColumn(const ArrowField& field, Buffers* in, ColumnBuilder* out) {
  std::int64_t nulls = 0;
  const std::int64_t rows = in->rows();
  if (!in->Node(rows, &nulls)) return false;
  if (field.layout == Layout::kNull) {
    for (std::int64_t i = 0; i < rows; ++i) out->AddNull();
    return true;
  }
  std::string_view validity, values, texts;
  if (!in->Next(&validity)) return false;
  if (nulls == 0) validity = {};
  if (nulls > 0 && !Holds(validity, (rows + 7) / 8, 1)) return false;
  if (field.layout == Layout::kEmbedding) return AddEmbeddings(field, validity, in, out);
  if (!in->Next(&values)) return false;
  const auto add_time = [&](std::int64_t v) {
    std::int64_t at = 0;
    return ToMicros(v, field.factor, &at) && (out->AddInt(at), true);
  };
  switch (field.layout) {
    case Layout::kText: return in->Next(&texts) && AddTexts<std::int32_t>(values, texts, validity, rows, out);
    case Layout::kLargeText: return in->Next(&texts) && AddTexts<std::int64_t>(values, texts, validity, rows, out);
    case Layout::kBool:
      if (!Holds(values, (rows + 7) / 8, 1)) return false;
      for (std::int64_t i = 0; i < rows; ++i) {
        if (Valid(validity, i)) {
          out->AddInt(!values.empty() && Valid(values, i) ? 1 : 0);
        } else {
          out->AddNull();
        }
      }
      return true;
    case Layout::kFloat:
      if (field.bits == 16) return EachValue<std::uint16_t>(values, validity, rows, out, [&](std::uint16_t v) { return out->Add(Half(v)), true; });
      if (field.bits == 32) return EachValue<float>(values, validity, rows, out, [&](float v) { return out->Add(static_cast<double>(v)), true; });
      return EachValue<double>(values, validity, rows, out, [&](double v) { return out->Add(v), true; });
    case Layout::kDays:
      return EachValue<std::int32_t>(values, validity, rows, out, add_time);
    case Layout::kTime: return EachValue<std::int64_t>(values, validity, rows, out, add_time);
    default:
      return EachInt(field.layout == Layout::kSigned, field.bits, values, validity, rows, out, [&](auto v) { return AddInt(out, v); });
  }
}

// Indices into a dictionary; they are checked, and 0 under a null.
bool AddCoded(const ArrowField& field, const std::shared_ptr<const table::Dictionary>& dictionary, Buffers* in, Column* out) {
  ArrowField index = field;
  index.coded = false;
  ColumnBuilder builder(Type::kInt64);
  if (!AddColumn(index, in, &builder)) return false;
  const Column raw = builder.Finish();
  struct Owned {
    std::vector<std::int32_t> codes;
    Column indices;  // whose validity is used
  };
  auto owner = std::make_shared<Owned>();
  owner->indices = raw;
  const auto most = static_cast<std::int64_t>(dictionary->size());
  for (std::int64_t i = 0; i < raw.size(); ++i) {
    const std::int64_t code = raw.ints()[static_cast<std::size_t>(i)];
    if (!raw.IsNull(i) && (code < 0 || code >= most)) return false;
    owner->codes.push_back(raw.IsNull(i) ? 0 : static_cast<std::int32_t>(code));
  }
  *out = Column::Coded(owner->codes.data(), dictionary, raw.size(), raw.validity(), owner);
  return true;
}

}  // namespace

Error ArrowFile::Damaged(std::string_view what) const { return Error(Code::kDataLoss, Str(path_, ": damaged Arrow file: ", what)); }
Error ArrowFile::Unread(std::string_view what) const { return Error(Code::kInvalidArgument, Str(path_, ": ", what)); }

Result<std::unique_ptr<ArrowFile>> ArrowFile::Open(std::string_view bytes, const std::string& path) {
  std::unique_ptr<ArrowFile> out(new ArrowFile(path));
  out->bytes_ = bytes;
  out->file_ = bytes.starts_with(kMagic);
  if (out->file_) {
    TENON_TRY(out->Footer());
    return out;
  }
  TENON_ASSIGN(const Message message, out->Read(0, &out->at_));
  if (message.kind != kSchemaKind) return out->Damaged("it does not begin with a schema");
  TENON_TRY(out->TakeSchema(message));
  return out;
}

// An encapsulated message: a mark (not before version 5), the size of the flatbuffer, the flatbuffer, the body.
Result<ArrowFile::Message> ArrowFile::Read(std::uint64_t at, std::uint64_t* end) const {
  Message out;
  if (at == bytes_.size()) return *end = at, out;
  const auto has = [&](std::uint64_t size) { return at <= bytes_.size() && size <= bytes_.size() - at; };
  if (!has(4)) return Damaged("it ends within a message");
  auto size = At<std::uint32_t>(bytes_, at);
  at += 4;
  if (size == kContinues) {
    if (!has(4)) return Damaged("it ends within a message");
    size = At<std::uint32_t>(bytes_, at);
    at += 4;
  }
  if (size == 0) return *end = at, out;
  if (!has(size)) return Damaged("it ends within the head of a message");
  out.header = bytes_.substr(at, size);
  at += size;
  bool damaged = false;
  const FlatTable message = FlatTable::Root(out.header, &damaged);
  out.kind = message.Scalar<std::uint8_t>(1);
  const auto body = message.Scalar<std::uint64_t>(3);
  if (damaged || out.kind == 0) return Damaged("the head of a message");
  if (!has(body)) return Damaged("it ends within the body of a message; is the file whole?");
  out.body = bytes_.substr(at, body);
  *end = at + body;
  return out;
}

Result<void> ArrowFile::Footer() {
  const std::uint64_t tail = 4 + kMagic.size();
  if (bytes_.size() < 8 + tail || !bytes_.ends_with(kMagic)) return Damaged("its end is missing; is the file whole?");
  const auto size = At<std::uint32_t>(bytes_, bytes_.size() - tail);
  if (size > bytes_.size() - tail - 8) return Damaged("the size of its footer");
  bool damaged = false;
  const FlatTable footer = FlatTable::Root(bytes_.substr(bytes_.size() - tail - size, size), &damaged);
  const std::string_view dictionaries = footer.Vector(2, 24), batches = footer.Vector(3, 24);
  if (damaged) return Damaged("its footer");
  std::uint64_t end = 0;
  // The schema stands at the beginning as well, as a message.
  TENON_ASSIGN(const Message schema, Read(8, &end));
  if (schema.kind != kSchemaKind) return Damaged("it does not begin with a schema");
  TENON_TRY(TakeSchema(schema));
  for (std::size_t i = 0; i < dictionaries.size(); i += 24) {
    TENON_ASSIGN(const Message message, Read(At<std::uint64_t>(dictionaries, i), &end));
    if (message.kind != kDictionaryKind) return Damaged("a dictionary is expected, and another message stands there");
    TENON_TRY(TakeDictionary(message));
  }
  for (std::size_t i = 0; i < batches.size(); i += 24) batches_.push_back(At<std::uint64_t>(batches, i));
  return {};
}

Result<void> ArrowFile::TakeSchema(const Message& message) {
  bool damaged = false;
  const FlatTable schema = FlatTable::Root(message.header, &damaged).Child(2);
  if (!schema.exists()) return Damaged("its schema");
  if (schema.Scalar<std::int16_t>(0) != 0) return Unread("big-endian Arrow files are not read");
  std::vector<table::Field> fields;
  for (std::size_t i = 0; i < schema.Children(1) && !damaged; ++i) {
    const FlatTable field = schema.ChildAt(1, i);
    ArrowField out;
    out.name = field.Text(0);
    if (!IsUtf8(out.name)) return Damaged("the name of a column");
    const bool read = ReadLayout(field, &out);
    if (damaged) break;
    if (!read) return Unread(Str("column '", out.name, "' has a type that is not read; numbers, texts, times and lists of float32 are"));
    if (const FlatTable coding = field.Child(4); coding.exists()) {
      if (out.layout != Layout::kText && out.layout != Layout::kLargeText) return Unread(Str("column '", out.name, "' has a dictionary of other than texts"));
      out.dictionary = coding.Scalar<std::int64_t>(0);
      dictionary_fields_[out.dictionary] = out;
      out.coded = true;
      // Without a word the indices are signed, of 32 bits.
      const FlatTable index = coding.Child(1);
      out.bits = index.exists() ? index.Scalar<std::int32_t>(0) : 32;
      out.layout = !index.exists() || index.Scalar<std::uint8_t>(1) != 0 ? Layout::kSigned : Layout::kUnsigned;
      if (out.bits != 8 && out.bits != 16 && out.bits != 32 && out.bits != 64) return Damaged("the size of indices");
    }
    fields.push_back({out.name, TypeOf(out), out.width});
    fields_.push_back(std::move(out));
  }
  if (damaged) return Damaged("its schema");
  schema_ = std::make_shared<const table::Schema>(std::move(fields));
  return {};
}

Result<void> ArrowFile::TakeDictionary(const Message& message) {
  bool damaged = false;
  const FlatTable head = FlatTable::Root(message.header, &damaged).Child(2);
  const auto id = head.Scalar<std::int64_t>(0);
  const FlatTable batch = head.Child(1);
  if (batch.exists() && batch.Child(3).exists()) return Unread("its buffers are compressed; write it without compression");
  const bool adds = head.Scalar<std::uint8_t>(2) != 0;
  const auto field = dictionary_fields_.find(id);
  if (damaged || !batch.exists() || field == dictionary_fields_.end()) return Damaged("a dictionary");
  Buffers buffers(batch, message.body);
  ColumnBuilder builder(Type::kString);
  if (damaged || buffers.rows() < 0 || !AddColumn(field->second, &buffers, &builder)) return Damaged(Str("the dictionary of column '", field->second.name, "'"));
  const Column values = builder.Finish();
  if (values.has_nulls()) return Unread(Str("the dictionary of column '", field->second.name, "' has a missing value in it"));
  auto words = std::make_shared<table::Dictionary>();
  if (adds && dictionaries_.contains(id)) *words = *dictionaries_[id];
  for (std::int64_t i = 0; i < values.size(); ++i) words->emplace_back(values.Text(i));
  dictionaries_[id] = std::move(words);
  return {};
}

Result<table::Batch> ArrowFile::TakeBatch(const Message& message) {
  bool damaged = false;
  const FlatTable batch = FlatTable::Root(message.header, &damaged).Child(2);
  if (damaged || !batch.exists()) return Damaged("a batch");
  if (batch.Child(3).exists()) return Unread("its buffers are compressed; write it without compression");
  Buffers buffers(batch, message.body);
  // A column of nulls has no buffers, so that nothing else bounds its rows.
  if (damaged || buffers.rows() < 0 || buffers.rows() > (std::int64_t{1} << 26)) return Damaged("a batch");
  std::vector<Column> columns;
  for (const ArrowField& field : fields_) {
    if (field.coded) {
      const auto dictionary = dictionaries_.find(field.dictionary);
      const bool there = dictionary != dictionaries_.end();
      Column column;
      if (!AddCoded(field, there ? dictionary->second : std::make_shared<const table::Dictionary>(), &buffers, &column)) {
        return Damaged(Str("column '", field.name, "'"));
      }
      columns.push_back(std::move(column));
      continue;
    }
    ColumnBuilder builder(TypeOf(field), field.width);
    if (!AddColumn(field, &buffers, &builder)) return Damaged(Str("column '", field.name, "'"));
    columns.push_back(builder.Finish());
  }
  return table::Batch(schema_, std::move(columns));
}

Result<std::optional<table::Batch>> ArrowFile::Next() {
  while (true) {
    std::uint64_t end = 0;
    if (file_ && next_ == batches_.size()) return std::optional<table::Batch>();
    TENON_ASSIGN(const Message message, Read(file_ ? batches_[next_++] : at_, &end));
    if (!file_) at_ = end;
    if (message.kind == 0 && !file_) return std::optional<table::Batch>();
    if (message.kind == kDictionaryKind && !file_) {
      TENON_TRY(TakeDictionary(message));
      continue;
    }
    if (message.kind != kBatchKind) return Damaged("a batch is expected, and another message stands there");
    TENON_ASSIGN(table::Batch batch, TakeBatch(message));
    if (batch.rows() > 0) return std::optional<table::Batch>(std::move(batch));
  }
}

}  // namespace tenon::ingest

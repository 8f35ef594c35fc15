#include "table/columns_file.h"

#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <map>
#include <utility>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::table {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian, and mapped as it is");

constexpr std::string_view kMagic = "TENONCOL";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kAlign = 64;
constexpr std::size_t kHeadBytes = 64;
constexpr std::size_t kTailBytes = 32;  // directory offset, directory bytes, its checksum, magic
constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

enum class Kind : std::uint64_t { kFixed = 0, kTexts = 1, kCoded = 2 };

class Writer {
 public:
  Writer() {
    out_.append(kMagic);
    Word(&out_, kVersion);
    out_.resize(kHeadBytes, '\0');
  }

  // Adds a buffer, and its place, length and checksum to the directory.
  void Buffer(const void* data, std::size_t bytes) {
    out_.resize((out_.size() + kAlign - 1) / kAlign * kAlign, '\0');
    Word(&directory_, out_.size());
    Word(&directory_, bytes);
    Word(&directory_, Hash64({static_cast<const char*>(data), bytes}));
    out_.append(static_cast<const char*>(data), bytes);
  }
  void NoBuffer() {
    Word(&directory_, kNone);
    Word(&directory_, 0);
    Word(&directory_, 0);
  }
  void Number(std::uint64_t value) { Word(&directory_, value); }

  std::string Finish() {
    out_.resize((out_.size() + kAlign - 1) / kAlign * kAlign, '\0');
    const std::size_t at = out_.size();
    out_.append(directory_);
    Word(&out_, at);
    Word(&out_, directory_.size());
    Word(&out_, Hash64(directory_, kVersion));
    out_.append(kMagic);
    return std::move(out_);
  }

 private:
  static void Word(std::string* out, std::uint64_t value) { out->append(reinterpret_cast<const char*>(&value), sizeof value); }
  std::string out_;
  std::string directory_;
};

std::size_t ValueBytes(Type type, int width) {
  if (type == Type::kBool) return 1;
  return type == Type::kEmbedding ? sizeof(float) * static_cast<std::size_t>(width) : 8;
}

// Offsets from zero and the bytes between them.
void PutTexts(const std::vector<std::int64_t>& offsets, std::string_view bytes, Writer* out) {
  out->Buffer(offsets.data(), offsets.size() * sizeof(std::int64_t));
  out->Buffer(bytes.data(), bytes.size());
}

void PutValidity(const Column& column, Writer* out) {
  if (!column.has_nulls()) return out->NoBuffer();
  const auto size = static_cast<std::size_t>(column.size());
  std::vector<std::uint64_t> bits(column.validity(), column.validity() + (size + 63) / 64);
  if (size % 64 != 0) bits.back() &= (1ULL << (size % 64)) - 1;  // what lies behind the end is not data
  out->Buffer(bits.data(), bits.size() * sizeof(std::uint64_t));
}

const void* ValuesOf(const Column& column) {
  switch (column.type()) {
    case Type::kBool: return column.bools().data();
    case Type::kFloat64: return column.doubles().data();
    case Type::kEmbedding: return column.floats().data();
    default: return column.ints().data();
  }
}

using Dictionaries = std::map<const Dictionary*, std::uint64_t>;

void PutColumn(const Column& column, const Dictionaries& dictionaries, Writer* out) {
  const auto size = static_cast<std::size_t>(column.size());
  if (column.coded()) {
    out->Number(static_cast<std::uint64_t>(Kind::kCoded));
    out->Number(dictionaries.at(column.dictionary().get()));
    PutValidity(column, out);
    std::vector<std::int32_t> codes(column.codes().begin(), column.codes().end());
    for (std::size_t i = 0; i < size && column.validity() != nullptr; ++i) {
      if (column.IsNull(static_cast<std::int64_t>(i))) codes[i] = 0;
    }
    out->Buffer(codes.data(), size * sizeof(std::int32_t));
    return out->NoBuffer();
  }
  out->Number(static_cast<std::uint64_t>(column.type() == Type::kString ? Kind::kTexts : Kind::kFixed));
  out->Number(0);
  PutValidity(column, out);
  if (column.type() == Type::kString) {
    std::vector<std::int64_t> offsets(size + 1);
    for (std::size_t i = 0; i <= size && size > 0; ++i) offsets[i] = column.offsets()[i] - column.offsets()[0];
    const char* begin = size == 0 ? "" : column.bytes() + column.offsets()[0];
    return PutTexts(offsets, {begin, static_cast<std::size_t>(offsets.back())}, out);
  }
  out->Buffer(ValuesOf(column), size * ValueBytes(column.type(), column.width()));
  out->NoBuffer();
}

Error Damaged(std::string_view what) { return Error(Code::kDataLoss, Str("damaged columns file: ", what)); }

// Reads the directory, never beyond its end, and hands out buffers that lie inside the file and are whole.
class Directory {
 public:
  Directory(std::string_view file, std::string_view words) : file_(file), words_(words) {}

  Result<std::uint64_t> Number(std::string_view what) {
    if (words_.size() < sizeof(std::uint64_t)) return Damaged(Str("the directory ends before ", what));
    std::uint64_t value = 0;
    std::memcpy(&value, words_.data(), sizeof value);
    words_.remove_prefix(sizeof value);
    return value;
  }
  // Null when the writer left the buffer out.
  Result<std::string_view> Buffer(const std::string& what) {
    TENON_ASSIGN(const std::uint64_t at, Number(what));
    TENON_ASSIGN(const std::uint64_t bytes, Number(what));
    TENON_ASSIGN(const std::uint64_t checksum, Number(what));
    if (at == kNone) return std::string_view();
    if (at % kAlign != 0 || at > file_.size() || bytes > file_.size() - at) return Damaged(Str(what, " lies outside the file"));
    const std::string_view view = file_.substr(at, bytes);
    if (Hash64(view) != checksum) return Damaged(Str(what, " does not match its checksum"));
    return view;
  }
  bool AtEnd() const { return words_.empty(); }
  std::size_t left() const { return words_.size(); }

 private:
  std::string_view file_;
  std::string_view words_;
};

Result<void> CheckOffsets(std::string_view offsets, std::string_view bytes, std::uint64_t rows, const std::string& what) {
  if (offsets.data() == nullptr || offsets.size() / sizeof(std::int64_t) != rows + 1 || offsets.size() % sizeof(std::int64_t) != 0) {
    return Damaged(Str(what, ": offsets for another number of rows"));
  }
  const auto* at = reinterpret_cast<const std::int64_t*>(offsets.data());
  if (at[0] != 0) return Damaged(Str(what, ": offsets do not begin at 0"));
  for (std::uint64_t i = 0; i < rows; ++i) {
    if (at[i + 1] < at[i]) return Damaged(Str(what, ": offsets go backwards at row ", i));
  }
  if (static_cast<std::uint64_t>(at[rows]) != bytes.size()) return Damaged(Str(what, ": texts of another length"));
  return {};
}

Result<Column> GetColumn(const Field& field, std::uint64_t rows, const std::vector<std::shared_ptr<const Dictionary>>& dictionaries,
                         const std::shared_ptr<const void>& owner, const std::string& what, Directory* in) {
  TENON_ASSIGN(const std::uint64_t kind, in->Number(what));
  TENON_ASSIGN(const std::uint64_t which, in->Number(what));
  TENON_ASSIGN(const std::string_view validity, in->Buffer(what + ", validity"));
  TENON_ASSIGN(const std::string_view first, in->Buffer(what + ", values"));
  TENON_ASSIGN(const std::string_view second, in->Buffer(what + ", texts"));
  if (validity.data() != nullptr && validity.size() != (rows + 63) / 64 * 8) return Damaged(Str(what, ": validity of another length"));
  const auto* bits = reinterpret_cast<const std::uint64_t*>(validity.data());
  const auto size = static_cast<std::int64_t>(rows);
  if ((field.type == Type::kString) == (kind == static_cast<std::uint64_t>(Kind::kFixed)) || kind > 2) {
    return Damaged(Str(what, ": layout ", kind, " is none of type ", NameOf(field.type)));
  }
  if (kind == static_cast<std::uint64_t>(Kind::kTexts)) {
    TENON_TRY(CheckOffsets(first, second, rows, what));
    return Column::Texts(reinterpret_cast<const std::int64_t*>(first.data()), second.data() == nullptr ? "" : second.data(), size, bits, owner);
  }
  const std::size_t width = kind == static_cast<std::uint64_t>(Kind::kCoded) ? sizeof(std::int32_t) : ValueBytes(field.type, field.width);
  if (first.data() == nullptr || first.size() % width != 0 || first.size() / width != rows) {
    return Damaged(Str(what, ": values for another number of rows"));
  }
  if (kind == static_cast<std::uint64_t>(Kind::kFixed)) return Column::Fixed(field.type, first.data(), size, bits, owner, field.width);
  if (which >= dictionaries.size()) return Damaged(Str(what, ": there is no dictionary ", which));
  const auto* codes = reinterpret_cast<const std::int32_t*>(first.data());
  const auto most = static_cast<std::int64_t>(dictionaries[which]->size());
  for (std::int64_t i = 0; i < size; ++i) {
    const bool null = bits != nullptr && (bits[i >> 6] >> (i & 63) & 1) == 0;
    if ((codes[i] < 0 || codes[i] >= most) && !(null && codes[i] == 0)) return Damaged(Str(what, ": code ", codes[i], " of ", most));
  }
  return Column::Coded(codes, dictionaries[which], size, bits, owner);
}

Result<std::string_view> FindDirectory(std::string_view bytes) {
  if (bytes.size() < kHeadBytes + kTailBytes) return Damaged(Str("only ", bytes.size(), " bytes"));
  if (!bytes.starts_with(kMagic)) return Damaged("it does not begin as one");
  std::uint64_t version = 0;
  std::memcpy(&version, bytes.data() + kMagic.size(), sizeof version);
  if (version != kVersion) {
    return Error(Code::kFailedPrecondition, Str("columns file of version ", version, ", this program reads version ", kVersion));
  }
  if (!bytes.ends_with(kMagic)) return Damaged("its end is missing");
  std::uint64_t tail[3];
  std::memcpy(tail, bytes.data() + bytes.size() - kTailBytes, sizeof tail);
  if (tail[0] > bytes.size() - kTailBytes || tail[1] != bytes.size() - kTailBytes - tail[0]) return Damaged("the directory's place");
  const std::string_view directory = bytes.substr(tail[0], tail[1]);
  if (Hash64(directory, kVersion) != tail[2]) return Damaged("the directory does not match its checksum");
  return directory;
}

// A field as the file has it: of a known type, with a width where there must be one.
Result<void> CheckSchema(const Schema& schema) {
  for (const Field& field : schema.fields()) {
    const bool wide = field.type == Type::kEmbedding;
    if (wide ? field.width < 1 || field.width > (1 << 20) : field.width != 0) return Damaged(Str("width of column ", field.name));
  }
  return {};
}

}  // namespace

std::string WriteColumns(const std::shared_ptr<const Schema>& schema, const std::vector<Batch>& batches) {
  Writer out;
  const std::string json = schema->ToJson().Canonical();
  out.Buffer(json.data(), json.size());
  Dictionaries numbers;
  std::vector<const Dictionary*> order;
  for (const Batch& batch : batches) {
    assert(batch.schema() == *schema);
    for (int i = 0; i < batch.columns(); ++i) {
      const Dictionary* dictionary = batch.column(i).dictionary().get();
      if (dictionary != nullptr && numbers.try_emplace(dictionary, order.size()).second) order.push_back(dictionary);
    }
  }
  out.Number(order.size());
  for (const Dictionary* dictionary : order) {
    std::vector<std::int64_t> offsets = {0};
    std::string bytes;
    for (const std::string& value : *dictionary) {
      bytes += value;
      offsets.push_back(static_cast<std::int64_t>(bytes.size()));
    }
    out.Number(dictionary->size());
    PutTexts(offsets, bytes, &out);
  }
  out.Number(batches.size());
  for (const Batch& batch : batches) {
    out.Number(static_cast<std::uint64_t>(batch.rows()));
    for (int i = 0; i < batch.columns(); ++i) PutColumn(batch.column(i), numbers, &out);
  }
  return out.Finish();
}

Result<ColumnsFile> OpenColumns(std::string_view bytes, std::shared_ptr<const void> owner) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlign != 0) {
    struct alignas(kAlign) Line {
      char bytes[kAlign];
    };
    auto copy = std::make_shared<std::vector<Line>>(bytes.size() / kAlign + 1);
    if (!bytes.empty()) std::memcpy(copy->data(), bytes.data(), bytes.size());
    bytes = {reinterpret_cast<const char*>(copy->data()), bytes.size()};
    owner = copy;
  }
  TENON_ASSIGN(const std::string_view words, FindDirectory(bytes));
  Directory in(bytes, words);
  ColumnsFile out;
  TENON_ASSIGN(const std::string_view schema_text, in.Buffer("the schema"));
  auto json = Json::Parse(schema_text, "schema");
  if (!json.ok()) return Damaged("the schema is no JSON");
  auto schema = Schema::FromJson(*json);
  if (!schema.ok()) return Damaged(Str("the schema: ", schema.error().message()));
  TENON_TRY(CheckSchema(*schema));
  out.schema = std::make_shared<const Schema>(*std::move(schema));
  TENON_ASSIGN(const std::uint64_t dictionary_count, in.Number("the dictionaries"));
  std::vector<std::shared_ptr<const Dictionary>> dictionaries;
  for (std::uint64_t i = 0; i < dictionary_count; ++i) {
    const std::string what = Str("dictionary ", i);
    TENON_ASSIGN(const std::uint64_t count, in.Number(what));
    TENON_ASSIGN(const std::string_view offsets, in.Buffer(what));
    TENON_ASSIGN(const std::string_view texts, in.Buffer(what));
    if (count >= bytes.size()) return Damaged(Str(what, ": ", count, " values"));
    TENON_TRY(CheckOffsets(offsets, texts, count, what));
    const auto* at = reinterpret_cast<const std::int64_t*>(offsets.data());
    Dictionary values(count);
    for (std::uint64_t k = 0; k < count; ++k) {
      values[k] = texts.substr(static_cast<std::size_t>(at[k]), static_cast<std::size_t>(at[k + 1] - at[k]));
    }
    dictionaries.push_back(std::make_shared<const Dictionary>(std::move(values)));
  }
  TENON_ASSIGN(const std::uint64_t batch_count, in.Number("the batches"));
  for (std::uint64_t i = 0; i < batch_count; ++i) {
    TENON_ASSIGN(const std::uint64_t rows, in.Number(Str("batch ", i)));
    if (rows > bytes.size() * 8 || (rows > 0 && out.schema->size() == 0)) return Damaged(Str("batch ", i, ": ", rows, " rows"));
    std::vector<Column> columns;
    for (const Field& field : out.schema->fields()) {
      TENON_ASSIGN(Column column, GetColumn(field, rows, dictionaries, owner, Str("batch ", i, ", column ", field.name), &in));
      columns.push_back(std::move(column));
    }
    out.batches.emplace_back(out.schema, std::move(columns));
  }
  if (!in.AtEnd()) return Damaged(Str(in.left(), " bytes too many in the directory"));
  return out;
}

}  // namespace tenon::table

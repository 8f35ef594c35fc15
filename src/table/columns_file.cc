#include "table/columns_file.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <map>
#include <unordered_map>
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
constexpr std::string_view kListMagic = "TENONLST";
constexpr std::string_view kPackMagic = "TENONPCK";
constexpr std::size_t kNameBytes = 64;       // a pack's SHA-256 in digits
constexpr std::size_t kListHeadBytes = 32;   // magic, version, number of packs, number of buffers
constexpr std::size_t kPlaceBytes = 32;      // pack, offset, bytes, checksum

enum class Kind : std::uint64_t { kFixed = 0, kTexts = 1, kCoded = 2 };

void Word(std::string* out, std::uint64_t value) { out->append(reinterpret_cast<const char*>(&value), sizeof value); }

void Align(std::string* out) { out->resize((out->size() + kAlign - 1) / kAlign * kAlign, '\0'); }

std::string Head(std::string_view magic) {
  std::string out(magic);
  Word(&out, kVersion);
  out.resize(kHeadBytes, '\0');
  return out;
}

// Where buffers go, and the directory that says where they are.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void Buffer(const void* data, std::size_t bytes) = 0;
  virtual void NoBuffer() = 0;
  void Number(std::uint64_t value) { Word(&directory_, value); }

 protected:
  std::string directory_;
};

class Writer final : public Sink {
 public:
  // Adds a buffer, and its place, length and checksum to the directory.
  void Buffer(const void* data, std::size_t bytes) override {
    Align(&out_);
    Number(out_.size());
    Number(bytes);
    Number(Hash64({static_cast<const char*>(data), bytes}));
    out_.append(static_cast<const char*>(data), bytes);
  }
  void NoBuffer() override {
    Number(kNone);
    Number(0);
    Number(0);
  }

  std::string Finish() {
    Align(&out_);
    const std::size_t at = out_.size();
    out_.append(directory_);
    Word(&out_, at);
    Word(&out_, directory_.size());
    Word(&out_, Hash64(directory_, kVersion));
    out_.append(kMagic);
    return std::move(out_);
  }

 private:
  std::string out_ = Head(kMagic);
};

// Buffers that are somewhere already are pointed at; the others go into a pack of their own.
class ListWriter final : public Sink {
 public:
  explicit ListWriter(const FindBuffer& find) : find_(find) {}

  void Buffer(const void* data, std::size_t bytes) override {
    const std::string_view view(static_cast<const char*>(data), bytes);
    const std::uint64_t checksum = Hash64(view);
    if (bytes == 0) return Place(kNone, 0, 0, checksum);
    const auto [from, to] = own_.equal_range(checksum);
    for (auto it = from; it != to; ++it) {
      if (std::string_view(pack_).substr(it->second, bytes) == view) return Place(PackOf(""), it->second, bytes, checksum);
    }
    if (const auto found = find_ ? find_(view, checksum) : std::nullopt) return Place(PackOf(found->pack), found->at, bytes, checksum);
    Align(&pack_);
    own_.emplace(checksum, pack_.size());
    const std::uint64_t at = pack_.size();
    pack_.append(view);
    Place(PackOf(""), at, bytes, checksum);
  }
  void NoBuffer() override { Number(kNone); }

  ColumnsList Finish() {
    ColumnsList out;
    if (!own_.empty()) out.pack = std::move(pack_);
    out.list = kListMagic;
    Word(&out.list, kVersion);
    Word(&out.list, packs_.size());
    Word(&out.list, count_);
    for (const std::string& name : packs_) out.list += name.empty() ? HashOf(out.pack) : name;
    out.list += places_ + directory_;
    Word(&out.list, Hash64(out.list, kVersion));
    return out;
  }

 private:
  std::uint64_t PackOf(const std::string& name) {
    const auto [at, fresh] = numbers_.try_emplace(name, packs_.size());
    if (fresh) packs_.push_back(name);
    return at->second;
  }
  void Place(std::uint64_t pack, std::uint64_t at, std::uint64_t bytes, std::uint64_t checksum) {
    const auto [number, fresh] = placed_.try_emplace({pack, at, bytes}, count_);
    Number(number->second);
    if (!fresh) return;
    ++count_;
    for (const std::uint64_t word : {pack, at, bytes, checksum}) Word(&places_, word);
  }

  const FindBuffer& find_;
  std::string pack_ = Head(kPackMagic);
  std::string places_;
  std::uint64_t count_ = 0;
  std::vector<std::string> packs_;                     // "": our own, whose name is known when it is whole
  std::map<std::string, std::uint64_t> numbers_;
  std::map<std::array<std::uint64_t, 3>, std::uint64_t> placed_;
  std::unordered_multimap<std::uint64_t, std::size_t> own_;
};

std::size_t ValueBytes(Type type, int width) {
  if (type == Type::kBool) return 1;
  return type == Type::kEmbedding ? sizeof(float) * static_cast<std::size_t>(width) : 8;
}

// Offsets from zero and the bytes between them.
void PutTexts(const std::vector<std::int64_t>& offsets, std::string_view bytes, Sink* out) {
  out->Buffer(offsets.data(), offsets.size() * sizeof(std::int64_t));
  out->Buffer(bytes.data(), bytes.size());
}

void PutValidity(const Column& column, Sink* out) {
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

void PutColumn(const Column& column, const Dictionaries& dictionaries, Sink* out) {
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

// A buffer's place in one of several files.
struct Place {
  std::uint64_t file, at, bytes, checksum;
};

// Reads the directory, never beyond its end, and hands out buffers that lie inside a file and are whole.
class Directory {
 public:
  Directory(std::string_view file, std::string_view words) : files_{file}, words_(words), bytes_(file.size()) {}
  // Of a list: references are numbers of `places`.
  Directory(std::vector<std::string_view> files, std::vector<Place> places, std::string_view words)
      : files_(std::move(files)), places_(std::move(places)), listed_(true), words_(words) {
    for (const std::string_view file : files_) bytes_ += file.size();
  }

  Result<std::uint64_t> Number(std::string_view what) {
    if (words_.size() < sizeof(std::uint64_t)) return Damaged(Str("the directory ends before ", what));
    std::uint64_t value = 0;
    std::memcpy(&value, words_.data(), sizeof value);
    words_.remove_prefix(sizeof value);
    return value;
  }
  // Null when the writer left the buffer out.
  Result<std::string_view> Buffer(const std::string& what) {
    alignas(kAlign) static constexpr char kNothing[kAlign] = {};
    TENON_ASSIGN(const std::uint64_t first, Number(what));
    Place place{0, first, 0, 0};
    if (!listed_) {
      TENON_ASSIGN(place.bytes, Number(what));
      TENON_ASSIGN(place.checksum, Number(what));
    }
    if (first == kNone) return std::string_view();
    if (listed_) {
      if (first >= places_.size()) return Damaged(Str(what, ": there is no buffer ", first));
      place = places_[first];
      if (place.file == kNone && place.bytes == 0) return std::string_view(kNothing, 0);
    }
    if (place.file >= files_.size()) return Damaged(Str(what, ": there is no pack ", place.file));
    const std::string_view file = files_[place.file];
    if (place.at % kAlign != 0 || place.at > file.size() || place.bytes > file.size() - place.at) return Damaged(Str(what, " lies outside the file"));
    const std::string_view view = file.substr(place.at, place.bytes);
    if (Hash64(view) != place.checksum) return Damaged(Str(what, " does not match its checksum"));
    return view;
  }
  bool AtEnd() const { return words_.empty(); }
  std::size_t left() const { return words_.size(); }
  std::uint64_t bytes() const { return bytes_; }  // of all files

 private:
  std::vector<std::string_view> files_;
  std::vector<Place> places_;
  bool listed_ = false;
  std::string_view words_;
  std::uint64_t bytes_ = 0;
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

void PutTable(const std::shared_ptr<const Schema>& schema, const std::vector<Batch>& batches, Sink* to) {
  Sink& out = *to;
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
    PutTexts(offsets, bytes, to);
  }
  out.Number(batches.size());
  for (const Batch& batch : batches) {
    out.Number(static_cast<std::uint64_t>(batch.rows()));
    for (int i = 0; i < batch.columns(); ++i) PutColumn(batch.column(i), numbers, to);
  }
}

// `bytes` at a multiple of 64; copied, with a new owner, when they are not.
void Aligned(std::string_view* bytes, std::shared_ptr<const void>* owner) {
  if (reinterpret_cast<std::uintptr_t>(bytes->data()) % kAlign == 0) return;
  struct alignas(kAlign) Line {
    char bytes[kAlign];
  };
  auto copy = std::make_shared<std::vector<Line>>(bytes->size() / kAlign + 1);
  if (!bytes->empty()) std::memcpy(copy->data(), bytes->data(), bytes->size());
  *bytes = {reinterpret_cast<const char*>(copy->data()), bytes->size()};
  *owner = copy;
}

Result<ColumnsFile> GetTable(const std::shared_ptr<const void>& owner, Directory* from) {
  Directory& in = *from;
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
    if (count >= in.bytes()) return Damaged(Str(what, ": ", count, " values"));
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
    if (rows > in.bytes() * 8 || (rows > 0 && out.schema->size() == 0)) return Damaged(Str("batch ", i, ": ", rows, " rows"));
    std::vector<Column> columns;
    for (const Field& field : out.schema->fields()) {
      TENON_ASSIGN(Column column, GetColumn(field, rows, dictionaries, owner, Str("batch ", i, ", column ", field.name), from));
      columns.push_back(std::move(column));
    }
    out.batches.emplace_back(out.schema, std::move(columns));
  }
  if (!in.AtEnd()) return Damaged(Str(in.left(), " bytes too many in the directory"));
  return out;
}

// The parts of a list, whose lengths fit each other.
struct ListParts {
  std::vector<std::string> packs;
  std::vector<Place> places;
  std::string_view directory;
};

Result<ListParts> PartsOf(std::string_view list) {
  if (list.size() < kListHeadBytes + sizeof(std::uint64_t)) return Damaged(Str("a list of only ", list.size(), " bytes"));
  if (!IsColumnsList(list)) return Damaged("it does not begin as a list");
  std::uint64_t head[3], checksum = 0;
  std::memcpy(head, list.data() + kListMagic.size(), sizeof head);
  if (head[0] != kVersion) {
    return Error(Code::kFailedPrecondition, Str("list of columns of version ", head[0], ", this program reads version ", kVersion));
  }
  std::memcpy(&checksum, list.data() + list.size() - sizeof checksum, sizeof checksum);
  list.remove_suffix(sizeof checksum);
  if (Hash64(list, kVersion) != checksum) return Damaged("the list does not match its checksum");
  list.remove_prefix(kListHeadBytes);
  if (head[1] > list.size() / kNameBytes || head[2] > (list.size() - head[1] * kNameBytes) / kPlaceBytes) return Damaged("the list is too short");
  ListParts out;
  for (std::uint64_t i = 0; i < head[1]; ++i, list.remove_prefix(kNameBytes)) out.packs.emplace_back(list.substr(0, kNameBytes));
  out.places.resize(head[2]);
  if (head[2] > 0) std::memcpy(out.places.data(), list.data(), head[2] * kPlaceBytes);
  out.directory = list.substr(head[2] * kPlaceBytes);
  return out;
}

}  // namespace

std::string WriteColumns(const std::shared_ptr<const Schema>& schema, const std::vector<Batch>& batches) {
  Writer out;
  PutTable(schema, batches, &out);
  return out.Finish();
}

Result<ColumnsFile> OpenColumns(std::string_view bytes, std::shared_ptr<const void> owner) {
  Aligned(&bytes, &owner);
  TENON_ASSIGN(const std::string_view words, FindDirectory(bytes));
  Directory in(bytes, words);
  return GetTable(owner, &in);
}

bool IsColumnsList(std::string_view bytes) { return bytes.starts_with(kListMagic); }

ColumnsList WriteColumnsList(const std::shared_ptr<const Schema>& schema, const std::vector<Batch>& batches, const FindBuffer& find) {
  ListWriter out(find);
  PutTable(schema, batches, &out);
  return out.Finish();
}

Result<std::vector<PlacedBuffer>> BuffersOf(std::string_view list) {
  TENON_ASSIGN(const ListParts parts, PartsOf(list));
  std::vector<PlacedBuffer> out;
  for (const Place& place : parts.places) {
    if (place.file < parts.packs.size()) out.push_back({parts.packs[place.file], place.at, place.bytes, place.checksum});
  }
  return out;
}

Result<std::vector<std::string>> PacksOf(std::string_view list) {
  TENON_ASSIGN(ListParts parts, PartsOf(list));
  return std::move(parts.packs);
}

Result<ColumnsFile> OpenColumnsList(std::string_view list, const std::vector<OwnedBytes>& packs) {
  TENON_ASSIGN(ListParts parts, PartsOf(list));
  if (packs.size() != parts.packs.size()) return Damaged(Str(packs.size(), " packs for a list of ", parts.packs.size()));
  auto owners = std::make_shared<std::vector<std::shared_ptr<const void>>>();
  std::vector<std::string_view> files;
  for (OwnedBytes pack : packs) {
    Aligned(&pack.bytes, &pack.owner);
    if (!pack.bytes.starts_with(kPackMagic)) return Damaged("a pack does not begin as one");
    files.push_back(pack.bytes);
    owners->push_back(std::move(pack.owner));
  }
  Directory in(std::move(files), std::move(parts.places), parts.directory);
  return GetTable(owners, &in);
}

}  // namespace tenon::table

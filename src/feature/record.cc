#include "feature/record.h"

#include <cstring>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::feature {

Result<RecordLayout> RecordLayout::Of(std::shared_ptr<const table::Schema> fields, bool moves) {
  RecordLayout out;
  std::string words;
  for (const table::Field& field : fields->fields()) {
    if (field.type == table::Type::kEmbedding) {
      return Error(Code::kInvalidArgument, Str("feature '", field.name, "' is an embedding; an online store keeps numbers, texts, bools and times"));
    }
    out.has_texts_ = out.has_texts_ || field.type == table::Type::kString;
    words += Str(field.name, "\n", table::NameOf(field.type), "\n");
  }
  if (moves) words += "until\n";
  out.moves_ = moves;
  out.hash_ = Hash64(words);
  out.fields_ = std::move(fields);
  return out;
}

void RecordPacker::Start() {
  const std::size_t nulls = layout_.null_words();
  for (std::size_t i = 0; i < nulls; ++i) words_[i] = ~std::uint64_t{0};
  for (std::size_t i = nulls; i < words_.size(); ++i) words_[i] = 0;
  if (layout_.moves()) SetUntil(std::numeric_limits<Micros>::max());
  texts_.clear();
}

void RecordPacker::SetText(std::size_t feature, std::string_view text) {
  Word(feature, static_cast<std::uint64_t>(texts_.size()) << 32 | text.size());
  texts_.append(text);
}

void RecordPacker::SetRow(const table::Batch& rows, std::int64_t row) {
  Start();
  for (std::size_t i = 0; i < layout_.features(); ++i) {
    const table::Column& column = rows.column(static_cast<int>(i));
    if (column.IsNull(row)) continue;
    switch (column.type()) {
      case table::Type::kFloat64: Set(i, column.doubles()[static_cast<std::size_t>(row)]); break;
      case table::Type::kString: SetText(i, column.Text(row)); break;
      case table::Type::kBool: SetInt(i, column.bools()[static_cast<std::size_t>(row)]); break;
      case table::Type::kInt64:
      case table::Type::kTimestamp: SetInt(i, column.ints()[static_cast<std::size_t>(row)]); break;
      case table::Type::kEmbedding: break;
    }
  }
}

void Records::Reset(const RecordLayout& layout, std::size_t rows) {
  stride_ = layout.words();
  null_words_ = layout.null_words();
  moves_ = layout.moves();
  if (words_.size() < rows * stride_) words_.resize(rows * stride_);
  at_.assign(rows, 0);
  created_.assign(rows, 0);
  found_.assign(rows, 0);
  if (layout.has_texts() && texts_.size() < rows) texts_.resize(rows);
}

std::string_view Records::Text(std::size_t row, std::size_t feature) const {
  const std::uint64_t word = Word(row, feature);
  const std::string& texts = texts_[row];
  const std::size_t from = word >> 32, size = word & 0xffffffffU;
  if (from > texts.size() || size > texts.size() - from) return "";
  return std::string_view(texts).substr(from, size);
}

char* Records::TextsOf(std::size_t row, std::size_t bytes) {
  texts_[row].resize(bytes);
  return texts_[row].data();
}

std::string FlatRecord(Micros at, Micros created, std::span<const std::uint64_t> words, std::string_view texts) {
  std::string out(16 + words.size_bytes() + texts.size(), '\0');
  std::memcpy(out.data(), &at, 8);
  std::memcpy(out.data() + 8, &created, 8);
  std::memcpy(out.data() + 16, words.data(), words.size_bytes());
  if (!texts.empty()) std::memcpy(out.data() + 16 + words.size_bytes(), texts.data(), texts.size());
  return out;
}

Result<void> ReadFlatRecord(const RecordLayout& layout, std::string_view bytes, std::size_t row, Records* out) {
  const std::size_t fixed = 16 + layout.words() * 8;
  if (bytes.size() < fixed || (bytes.size() > fixed && !layout.has_texts())) {
    return Error(Code::kDataLoss, Str("a record of ", bytes.size(), " bytes where ", fixed, layout.has_texts() ? " or more" : "", " were expected"));
  }
  Micros at, created;
  std::memcpy(&at, bytes.data(), 8);
  std::memcpy(&created, bytes.data() + 8, 8);
  std::memcpy(out->WordsOf(row).data(), bytes.data() + 16, layout.words() * 8);
  if (layout.has_texts()) std::memcpy(out->TextsOf(row, bytes.size() - fixed), bytes.data() + fixed, bytes.size() - fixed);
  out->Set(row, at, created);
  return {};
}

}  // namespace tenon::feature

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "serve/log_format_internal.h"

namespace tenon::serve {
namespace {

std::uint64_t Little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}

// Of a record's size, so that a damaged size is not taken for a record that was cut off.
std::uint32_t CheckOf(std::uint64_t size) { return static_cast<std::uint32_t>(Hash64(size, 0x7e1061) >> 32); }

// Takes values from the front; once something is missing, all that follows is empty and ok() is false.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t Number(std::size_t bytes) { return Little(Take(bytes)); }
  std::string_view Sized() { return Take(static_cast<std::size_t>(Number(4))); }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view Take(std::size_t size) {
    if (size > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace

void AppendLittle(std::uint64_t value, int bytes, std::string* out) {
  char buffer[8];
  for (int i = 0; i < bytes; ++i) buffer[i] = static_cast<char>(value >> (8 * i));
  out->append(buffer, static_cast<std::size_t>(bytes));
}

void AppendSized(std::string_view text, std::string* out) {
  AppendLittle(text.size(), 4, out);
  out->append(text);
}

std::size_t BeginRecord(std::string* out) {
  const std::size_t begin = out->size();
  out->append(kRecordHead, '\0');
  return begin;
}

void EndRecord(std::size_t begin, std::string* out) {
  const std::string_view payload = std::string_view(*out).substr(begin + kRecordHead);
  const std::uint64_t size = payload.size();
  const std::uint64_t sum = Hash64(payload, size);
  const std::uint64_t head = size | (std::uint64_t{CheckOf(size)} << 32);
  for (std::size_t i = 0; i < 8; ++i) {
    (*out)[begin + i] = static_cast<char>(head >> (8 * i));
    (*out)[begin + 8 + i] = static_cast<char>(sum >> (8 * i));
  }
}

std::string ShortKeyedHash(std::string_view key, std::string_view text) { return tenon::KeyedHash(key, text).substr(0, 16); }

void AppendSchema(const Served& served, const Keepings& keepings, std::string* out) {
  const std::size_t begin = BeginRecord(out);
  out->push_back(kSchemaKind);
  AppendSized(served.model, out);
  Json fields = Json::MakeArray();
  for (std::size_t i = 0; i < served.fields.size(); ++i) {
    const Keeping keeping = keepings.empty() ? Keeping::kWhole : keepings[i];
    if (keeping == Keeping::kDropped) continue;
    Json row = Json::MakeObject();
    row["name"] = served.fields[i].name;
    row["type"] = table::NameOf(served.fields[i].type);
    if (keeping == Keeping::kHashed) row["hashed"] = true;
    fields.Push(std::move(row));
  }
  AppendSized(fields.Canonical(), out);
  EndRecord(begin, out);
}

void AppendAnswer(const Served& served, const Keepings& keepings, std::string_view hash_key, std::string_view request_id,
                  Micros at, const Row& row, const model::Prediction& prediction, Rung rung, bool staged, std::string* out) {
  const std::size_t begin = BeginRecord(out);
  const model::Cascade* cascade = served.predictor == nullptr ? nullptr : served.predictor->cascade();
  const bool lower = rung != Rung::kModel;
  out->push_back(lower ? kLowerKind : cascade == nullptr ? kAnswerKind : kStagedKind);
  AppendLittle(static_cast<std::uint64_t>(at), 8, out);
  AppendSized(request_id, out);
  AppendLittle(static_cast<std::uint32_t>(prediction.decision), 4, out);
  AppendLittle(prediction.values.size(), 4, out);
  for (float value : prediction.values) AppendLittle(std::bit_cast<std::uint32_t>(value), 4, out);
  for (std::size_t i = 0; i < served.fields.size(); ++i) {
    const Keeping keeping = keepings.empty() ? Keeping::kWhole : keepings[i];
    if (keeping == Keeping::kDropped) continue;
    if (served.fields[i].type == table::Type::kString) {
      const bool missing = row.texts[i].data() == nullptr;
      out->push_back(missing ? '\0' : '\1');
      if (missing) continue;
      if (keeping == Keeping::kHashed) {
        AppendSized(ShortKeyedHash(hash_key, row.texts[i]), out);
      } else {
        AppendSized(row.texts[i], out);
      }
    } else {
      AppendLittle(std::bit_cast<std::uint64_t>(row.numbers[i]), 8, out);
    }
  }
  if (lower || cascade != nullptr) {
    const bool known = cascade != nullptr && staged;
    AppendSized(!known ? "" : prediction.cheap ? cascade->cheap_name : cascade->costly_name, out);
  }
  if (lower) out->push_back(static_cast<char>(rung));
  EndRecord(begin, out);
}

Micros AtOf(std::string_view record) { return static_cast<Micros>(Little(record.substr(kRecordHead + 1, 8))); }

bool SegmentReader::ReadSchema(std::string_view payload) {
  Cursor cursor(payload);
  model_ = cursor.Sized();
  const std::string_view text = cursor.Sized();
  if (!cursor.done()) return false;
  auto json = Json::Parse(text, "schema");
  if (!json.ok() || !json->is_array()) return false;
  fields_.clear();
  for (const Json& row : json->array()) {
    const auto type = table::TypeNamed(row.StringAt("type"));
    if (!type.ok()) return false;
    Served::Field field;
    field.name = row.StringAt("name");
    field.type = *type;
    field.hashed = row.BoolAt("hashed", false);
    fields_.push_back(std::move(field));
  }
  return true;
}

bool SegmentReader::ReadAnswer(std::string_view payload, char kind) {
  Cursor cursor(payload);
  entry_.model = model_;
  entry_.at = static_cast<Micros>(cursor.Number(8));
  entry_.request_id = cursor.Sized();
  entry_.decision = static_cast<std::int32_t>(static_cast<std::uint32_t>(cursor.Number(4)));
  const std::uint64_t values = cursor.Number(4);
  if (values > payload.size() / 4) return false;
  entry_.values.clear();
  for (std::uint64_t k = 0; k < values; ++k) {
    entry_.values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(cursor.Number(4))));
  }
  entry_.numbers.assign(fields_.size(), std::numeric_limits<double>::quiet_NaN());
  entry_.texts.assign(fields_.size(), "");
  entry_.text_missing.assign(fields_.size(), false);
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].type != table::Type::kString) {
      entry_.numbers[i] = std::bit_cast<double>(cursor.Number(8));
    } else if (cursor.Number(1) != 0) {
      entry_.texts[i] = cursor.Sized();
    } else {
      entry_.text_missing[i] = true;
    }
  }
  entry_.stage = kind != kAnswerKind ? cursor.Sized() : std::string_view();
  const std::uint64_t rung = kind == kLowerKind ? cursor.Number(1) : 0;
  if (kind == kLowerKind && (rung == 0 || rung >= static_cast<std::uint64_t>(Rung::kNone))) return false;
  entry_.rung = static_cast<Rung>(rung);
  return cursor.done();
}

SegmentReader::Found SegmentReader::Next() {
  if (next_ == 0) {
    if (bytes_.size() < kLogMagic.size()) return bytes_.empty() ? Found::kEnd : Found::kTorn;
    if (bytes_.substr(0, kLogMagic.size()) != kLogMagic) return Found::kDamaged;
    next_ = kLogMagic.size();
  }
  at_ = next_;
  const std::string_view rest = bytes_.substr(at_);
  if (rest.empty()) return Found::kEnd;
  if (rest.size() < kRecordHead) return Found::kTorn;
  const std::uint64_t size = Little(rest.substr(0, 4));
  if (Little(rest.substr(4, 4)) != CheckOf(size) || size > kMostRecord) {
    // Zeros are what a crash leaves where the file had grown before its bytes were there.
    return rest.find_first_not_of('\0') == std::string_view::npos ? Found::kTorn : Found::kDamaged;
  }
  if (size > rest.size() - kRecordHead) return Found::kTorn;
  const std::string_view payload = rest.substr(kRecordHead, static_cast<std::size_t>(size));
  next_ = at_ + kRecordHead + payload.size();
  if (Hash64(payload, size) != Little(rest.substr(8, 8)) || payload.empty()) {
    return rest.find_first_not_of('\0', kRecordHead + payload.size()) == std::string_view::npos ? Found::kTorn : Found::kDamaged;
  }
  if (payload.front() == kSchemaKind) return ReadSchema(payload.substr(1)) ? Found::kSchema : Found::kDamaged;
  if (payload.front() == kAnswerKind || payload.front() == kStagedKind || payload.front() == kLowerKind) {
    return ReadAnswer(payload.substr(1), payload.front()) ? Found::kAnswer : Found::kDamaged;
  }
  return Found::kDamaged;
}

std::int64_t CountAnswers(std::string_view segment, std::size_t from, Micros* newest) {
  std::int64_t count = 0;
  for (std::size_t at = std::max(from, kLogMagic.size()); at <= segment.size() && segment.size() - at >= kRecordHead;) {
    const std::string_view rest = segment.substr(at);
    const std::uint64_t size = Little(rest.substr(0, 4));
    if (Little(rest.substr(4, 4)) != CheckOf(size) || size == 0 || size > rest.size() - kRecordHead) break;
    const std::string_view payload = rest.substr(kRecordHead, static_cast<std::size_t>(size));
    if (Hash64(payload, size) != Little(rest.substr(8, 8))) break;
    const char kind = payload.front();
    if ((kind == kAnswerKind || kind == kStagedKind || kind == kLowerKind) && payload.size() >= 9) {
      ++count;
      *newest = std::max(*newest, AtOf(rest));
    }
    at += kRecordHead + payload.size();
  }
  return count;
}

std::string SegmentName(std::string_view endpoint, Micros start) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%020lld", static_cast<long long>(start));
  return Str(FileWord(endpoint), "-", std::string(digits), ".log");
}

std::string FileWord(std::string_view name) {
  std::string out;
  for (char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    if (plain) {
      out += c;
      continue;
    }
    char escape[4];
    std::snprintf(escape, sizeof escape, "%%%02x", static_cast<unsigned char>(c));
    out += escape;
  }
  return out;
}

}  // namespace tenon::serve

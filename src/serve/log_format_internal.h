#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serve/inference_log.h"

namespace tenon::serve {

// The bytes of the inference log: docs/formats/inference_log.md. All numbers little-endian.
//   segment = magic "TNINFLG1" record*
//   record  = u32 size of payload, u32 check of that size, u64 XXH3 of payload (seeded with the size), payload
//   payload = u8 kind ...: 1 the schema of the answers that follow (sent anew when the version changes), 2 an answer, 3 one of a cascade, 4 one of a lower rung
inline constexpr std::string_view kLogMagic = "TNINFLG1";
inline constexpr std::size_t kRecordHead = 16;
inline constexpr std::uint32_t kMostRecord = 16 << 20;
inline constexpr char kSchemaKind = 1;
inline constexpr char kAnswerKind = 2;
inline constexpr char kStagedKind = 3;  // an answer of a cascade
inline constexpr char kLowerKind = 4;   // an answer of a lower rung of the fallback

void AppendLittle(std::uint64_t value, int bytes, std::string* out);
void AppendSized(std::string_view text, std::string* out);  // u32 size, bytes

// A record with its head around a payload made by `out->append` after Begin: Begin leaves room, End fills it in.
std::size_t BeginRecord(std::string* out);
void EndRecord(std::size_t begin, std::string* out);

// How each field is written; empty: all as they are.
enum class Keeping : std::uint8_t { kWhole, kHashed, kDropped };
using Keepings = std::vector<Keeping>;
void AppendSchema(const Served& served, const Keepings& keepings, std::string* out);
void AppendAnswer(const Served& served, const Keepings& keepings, std::string_view hash_key, std::string_view request_id,
                  Micros at, const Row& row, const model::Prediction& prediction, Rung rung, bool staged, std::string* out);
// 16 hexadecimal digits of HMAC-SHA-256.
std::string ShortKeyedHash(std::string_view key, std::string_view text);

// The time of an answer's record.
Micros AtOf(std::string_view record);

// "fraud-00001700000000000000.log"
std::string SegmentName(std::string_view endpoint, Micros start);

// The answers that stand whole in a segment behind its first `from` bytes, where a record begins; `newest` becomes the time of the newest
// one where that is later. Stops at the first record that is torn or damaged.
std::int64_t CountAnswers(std::string_view segment, std::size_t from, Micros* newest);

// What a segment holds, from its front. A reader of foreign bytes: nothing is believed before its checksum and bounds.
class SegmentReader {
 public:
  enum class Found { kSchema, kAnswer, kEnd, kTorn, kDamaged };
  explicit SegmentReader(std::string_view bytes) : bytes_(bytes) {}
  Found Next();
  const std::vector<Served::Field>& fields() const { return fields_; }
  const LogEntry& entry() const { return entry_; }
  std::size_t at() const { return at_; }  // of the record that Next looked at last
  std::string_view record() const { return bytes_.substr(at_, next_ - at_); }  // it, with its head

 private:
  bool ReadSchema(std::string_view payload);
  bool ReadAnswer(std::string_view payload, char kind);

  std::string_view bytes_;
  std::size_t at_ = 0, next_ = 0;
  std::string model_;
  std::vector<Served::Field> fields_;
  LogEntry entry_;
};

}  // namespace tenon::serve

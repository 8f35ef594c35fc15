// Segments of the inference log: what is read, written again, is read as the same; nothing is read that no sum vouches for.

#include <bit>

#include "base/hash.h"
#include "fuzz/target.h"
#include "serve/log_format_internal.h"

namespace tenon::fuzz {
namespace {

using Found = serve::SegmentReader::Found;

// Makes sizes' checks and sums right from record to record (docs/formats/inference_log.md).
std::string Repaired(std::string_view input) {
  std::string bytes(input);
  for (std::size_t at = serve::kLogMagic.size(); at + serve::kRecordHead <= bytes.size();) {
    const std::size_t left = bytes.size() - at - serve::kRecordHead;
    const std::size_t size = std::min<std::size_t>(GetAt<std::uint32_t>(bytes, at) % 4096, left);
    std::string record = bytes.substr(at, serve::kRecordHead + size);
    serve::EndRecord(0, &record);
    bytes.replace(at, record.size(), record);
    at += record.size();
  }
  return bytes;
}

struct Segment {
  std::string shown;
  std::string written{serve::kLogMagic};
};

Segment Read(std::string_view bytes) {
  Segment out;
  serve::SegmentReader reader(bytes);
  serve::Served served;
  for (Found found = reader.Next(); found == Found::kSchema || found == Found::kAnswer; found = reader.Next()) {
    if (found == Found::kSchema) {
      served.fields = reader.fields();
      continue;
    }
    const serve::LogEntry& entry = reader.entry();
    Hold(entry.numbers.size() == reader.fields().size() && entry.texts.size() == reader.fields().size(), "a slot a field");
    if (served.model != entry.model || out.shown.empty()) {
      served.model = entry.model;
    }
    serve::AppendSchema(served, {}, &out.written);
    serve::Row row;
    row.numbers = entry.numbers;
    row.texts.resize(entry.texts.size());
    out.shown += Str(entry.model, "|", entry.at, "|", entry.request_id, "|", entry.decision, "|", serve::NameOf(entry.rung));
    for (std::size_t i = 0; i < entry.texts.size(); ++i) {
      const bool text = served.fields[i].type == table::Type::kString;
      if (text && !entry.text_missing[i]) row.texts[i] = std::string_view(entry.texts[i].data(), entry.texts[i].size());
      out.shown += text ? Str("|", entry.text_missing[i] ? "-" : "+", entry.texts[i]) : Str("|", std::bit_cast<std::uint64_t>(entry.numbers[i]));
    }
    for (const float value : entry.values) out.shown += Str("|", std::bit_cast<std::uint32_t>(value));
    out.shown += "\n";
    serve::AppendAnswer(served, {}, "", entry.request_id, entry.at, row, {std::span<const float>(entry.values), entry.decision}, entry.rung, &out.written);
  }
  return out;
}

void RunInferenceLog(std::string_view input) {
  for (const std::string& bytes : {std::string(input), Repaired(input)}) {
    const Segment first = Read(bytes);
    Same(Read(first.written).shown, first.shown, "a segment written again");
  }
}

std::vector<std::string> Seeds() {
  serve::Served served;
  served.model = "loan@1";
  served.fields = {{"age", table::Type::kInt64}, {"job", table::Type::kString}, {"owner", table::Type::kBool}};
  std::string segment(serve::kLogMagic);
  serve::AppendSchema(served, {serve::Keeping::kWhole, serve::Keeping::kHashed, serve::Keeping::kDropped}, &segment);
  const std::vector<float> values = {0.25F, 0.75F};
  for (int i = 0; i < 3; ++i) {
    serve::Row row;
    row.numbers = {1.0 * i, 0, 1};
    row.texts = {{}, i == 1 ? std::string_view() : std::string_view("clerk"), {}};
    serve::AppendAnswer(served, {serve::Keeping::kWhole, serve::Keeping::kHashed, serve::Keeping::kDropped}, "a key of 16 bytes", Str("id-", i), 1700000000000000 + i, row, {std::span<const float>(values), i - 1}, i == 2 ? serve::Rung::kCache : serve::Rung::kModel, &segment);
  }
  return {segment, std::string(serve::kLogMagic), segment.substr(0, segment.size() - 5), segment + std::string(50, '\0')};
}

}  // namespace

Target MakeInferenceLog() { return {RunInferenceLog, Seeds}; }

}  // namespace tenon::fuzz

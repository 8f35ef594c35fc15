// The log of an online table and its records: what is read, written again, are the same bytes.

#include "base/hash.h"
#include "feature/record_log_internal.h"
#include "fuzz/target.h"

namespace tenon::fuzz {
namespace {

using feature::Newest;
using feature::OnlineEntry;

const feature::RecordLayout& Layout() {
  static const feature::RecordLayout layout = Must(
      feature::RecordLayout::Of(std::make_shared<table::Schema>(std::vector<table::Field>{{"n", table::Type::kFloat64, 0}, {"s", table::Type::kString, 0},
                                                                                          {"i", table::Type::kInt64, 0}, {"u", table::Type::kString, 0}})),
      "a layout");
  return layout;
}

// Makes the head, sizes and sums right from batch to batch (docs/formats/online-record.md).
std::string Repaired(std::string_view input) {
  std::string bytes = feature::RecordLogHead(Layout());
  std::size_t at = bytes.size();
  if (input.size() > at) bytes += input.substr(at);
  while (at + 16 <= bytes.size()) {
    const std::uint64_t size = std::min<std::uint64_t>(GetAt<std::uint64_t>(bytes, at + 8) % 2048, bytes.size() - at - 16);
    PutAt(&bytes, at + 8, size);
    PutAt(&bytes, at, Hash64(std::string_view(bytes).substr(at + 16, size), size));
    at += 16 + size;
  }
  return bytes;
}

// Reads a record from bytes that nothing vouches for, and looks at every value.
void CheckRecord(std::string_view bytes) {
  feature::Records records;
  records.Reset(Layout(), 1);
  auto read = feature::ReadFlatRecord(Layout(), bytes, 0, &records);
  if (!read.ok()) return CheckError(read.error());
  std::size_t seen = 0;
  for (std::size_t feature = 0; feature < Layout().features(); ++feature) {
    if (!records.IsNull(0, feature) && Layout().fields()[static_cast<int>(feature)].type == table::Type::kString) seen += records.Text(0, feature).size();
  }
  Hold(seen <= 4 * bytes.size(), "texts lie in the record");
}

void RunRecordLog(std::string_view input) {
  CheckRecord(input);
  for (const std::string& bytes : {std::string(input), Repaired(input)}) {
    std::string again = feature::RecordLogHead(Layout());
    Result<void> failed;
    const std::size_t whole = feature::ReadRecordLog(Layout(), bytes, [&](std::span<const OnlineEntry> entries, Newest newest) -> Result<void> {
      again += feature::RecordFrame(Layout(), entries, newest);
      for (const OnlineEntry& entry : entries) {
        if (!entry.words.empty()) CheckRecord(feature::FlatRecord(entry.at, entry.created, entry.words, entry.texts));
      }
      return {};
    }, &failed);
    Hold(failed.ok(), "every batch is taken");
    if (whole > 0) Same(again, std::string_view(bytes).substr(0, whole), "batches written again");
  }
}

std::vector<std::string> Seeds() {
  std::string log = feature::RecordLogHead(Layout());
  std::vector<std::string> seeds = {log};
  feature::RecordPacker packer(Layout());
  for (int i = 0; i < 3; ++i) {
    packer.Start();
    packer.Set(0, 0.5 * i);
    packer.SetText(1, i == 1 ? "" : "text");
    if (i != 2) packer.SetText(3, "more");
    packer.SetInt(2, i);
    const std::string key = Str("key", i);
    const OnlineEntry entries[] = {{.key = key, .at = 100 + i, .created = 200 + i, .words = packer.words(), .texts = packer.texts()},
                                   {.key = "gone", .at = 5, .created = 6, .words = {}, .texts = {}}};
    log += feature::RecordFrame(Layout(), entries, i == 0 ? Newest::kEvent : Newest::kCreated);
    seeds.push_back(feature::FlatRecord(1, 2, packer.words(), packer.texts()));
  }
  seeds.push_back(log);
  seeds.push_back(log.substr(0, log.size() - 4));
  return seeds;
}

}  // namespace

Target MakeRecordLog() { return {RunRecordLog, Seeds}; }

}  // namespace tenon::fuzz

// Segments of an event log: a reader gives whole records or an error, a writer goes on behind what is whole, and both agree.

#include "base/hash.h"
#include "feature/event_log.h"
#include "fuzz/target.h"
#include "platform/memory_files.h"

namespace tenon::fuzz {
namespace {

constexpr std::string_view kFolder = "log", kSegment = "log/00000000000000000000.events";
constexpr std::size_t kMagic = 8, kHead = 24;

// Makes sizes fit and sums right from record to record (docs/formats/event-log.md).
std::string Repaired(std::string_view input) {
  std::string bytes(input);
  std::uint64_t offset = 0;
  for (std::size_t at = kMagic; at + kHead <= bytes.size(); ++offset) {
    const std::size_t left = bytes.size() - at - kHead;
    const std::size_t key = std::min<std::size_t>(GetAt<std::uint32_t>(bytes, at + 16) % 512, left);
    const std::size_t value = std::min<std::size_t>(GetAt<std::uint32_t>(bytes, at + 20) % 512, left - key);
    PutAt(&bytes, at + 16, static_cast<std::uint32_t>(key));
    PutAt(&bytes, at + 20, static_cast<std::uint32_t>(value));
    PutAt(&bytes, at, Hash64(std::string_view(bytes).substr(at + 8, kHead - 8 + key + value), offset));
    at += kHead + key + value;
  }
  return bytes;
}

struct Log {
  std::vector<std::string> records;
  bool damaged = false;
};

Log Read(const platform::Files& files, std::size_t most) {
  Log out;
  feature::EventLogReader reader(files, std::string(kFolder));
  while (true) {
    auto read = reader.Read(static_cast<std::int64_t>(out.records.size()), most);
    if (!read.ok()) {
      CheckError(read.error());
      out.damaged = true;
      return out;
    }
    if (read->empty()) return out;
    Hold(read->size() <= most, "no more than were asked for");
    for (const feature::Message& message : *read) {
      Hold(message.offset == static_cast<std::int64_t>(out.records.size()), "offsets count");
      out.records.push_back(Str(message.appended, "|", message.key, "|", message.value));
    }
  }
}

void RunEventLog(std::string_view input) {
  for (const std::string& bytes : {std::string(input), Repaired(input)}) {
    platform::MemoryFiles files;
    Must(files.MakeFolders(std::string(kFolder)), "a folder");
    Must(files.Write(std::string(kSegment), bytes), "a segment");
    Log before = Read(files, 1000);
    Hold(Read(files, 1).records == before.records, "one by one and many at once");
    feature::EventLogReader end(files, std::string(kFolder));
    feature::EventLogWriter writer(files, std::string(kFolder), feature::EventLogWriter::Sync::kWhenever);
    const feature::Message message{.key = "k", .value = input.substr(0, 100)};
    if (before.damaged) {  // its head
      Hold(!end.End().ok() && !writer.Append({&message, 1}, 7).ok(), "nothing is written over what is no log");
      Same(Must(files.Read(std::string(kSegment)), "the segment"), bytes, "what is no log stays");
      continue;
    }
    Hold(Must(end.End(), "the end") == static_cast<std::int64_t>(before.records.size()), "the end is behind what can be read");
    const std::int64_t at = Must(writer.Append({&message, 1}, 7), "an event is appended");
    Hold(at == static_cast<std::int64_t>(before.records.size()), "an event comes behind what could be read");
    before.records.push_back(Str(7, "|k|", message.value));
    const Log after = Read(files, 3);
    Hold(after.records == before.records && !after.damaged, "all that could be read, and what was appended");
  }
}

std::vector<std::string> Seeds() {
  platform::MemoryFiles files;
  feature::EventLogWriter writer(files, std::string(kFolder), feature::EventLogWriter::Sync::kWhenever);
  const feature::Message messages[] = {{.key = "a", .value = "{\"x\":1}"}, {.key = "", .value = ""}, {.key = "b", .value = "{\"x\":null,\"t\":\"2024-01-01\"}"}};
  Must(writer.Append(messages, 1700000000000000), "events");
  Must(writer.Append({messages, 1}, 1700000000000001), "an event");
  const std::string bytes = Must(files.Read(std::string(kSegment)), "a segment");
  return {bytes, bytes.substr(0, bytes.size() - 3), bytes.substr(0, kMagic), bytes + std::string(40, '\0'), "tnev", ""};
}

}  // namespace

Target MakeEventLog() { return {RunEventLog, Seeds}; }

}  // namespace tenon::fuzz

// The records of a Kafka topic, whose values are JSON objects.

#include <map>

#include "base/text.h"
#include "ingest/download_internal.h"
#include "ingest/place.h"
#include "platform/files.h"
#include "platform/kafka.h"

namespace tenon::ingest {
namespace {

constexpr std::size_t kBatch = 5000;
constexpr std::size_t kPart = 4 << 20;  // bytes written at once
constexpr std::chrono::seconds kPatience{60};

// kafka://host:port,host:port/topic
Result<platform::KafkaSettings> SettingsOf(const std::string& address) {
  const std::string_view rest = std::string_view(address).substr(address.find("://") + 3);
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == rest.size() || rest.find_first_of("/?@", slash + 1) != std::string_view::npos || rest.substr(0, slash).find('@') != std::string_view::npos) {
    return Error(Code::kInvalidArgument, Str(Shown(address), ": expected kafka://host:port/topic, several host:port with commas between"));
  }
  platform::KafkaSettings out;
  out.brokers = std::string(rest.substr(0, slash));
  out.topic = std::string(rest.substr(slash + 1));
  return out;
}

// "0:17,1:4" -> where to go on in each partition.
std::map<int, std::int64_t> Since(std::string_view text) {
  std::map<int, std::int64_t> out;
  for (const std::string& one : Split(text, ',')) {
    std::int64_t partition = 0, offset = 0;
    const std::size_t colon = one.find(':');
    if (colon != std::string::npos && ParseInt64(one.substr(0, colon), &partition) && ParseInt64(one.substr(colon + 1), &offset)) out[static_cast<int>(partition)] = offset;
  }
  return out;
}

std::string PositionOf(const std::map<int, std::int64_t>& read) {
  std::string out;
  for (const auto& [partition, offset] : read) out += Str(out.empty() ? "" : ",", partition, ":", offset);
  return out;
}

class Kafka final : public Place {
 public:
  explicit Kafka(const Options& options) : options_(options) {}

  Result<Brought> Bring(const Call& call, const std::string& address, const SourceSpec& spec) override {
    TENON_ASSIGN(platform::KafkaSettings settings, SettingsOf(address));
    const std::string malformed = options_.Text("malformed");
    if (malformed != "refuse" && malformed != "leave_out") return Error(Code::kInvalidArgument, Str("connect.malformed: expected refuse or leave_out, got '", malformed, "'"));
    if (options_.Has("properties")) {
      if (!options_.Any("properties").is_object()) return Error(Code::kInvalidArgument, "connect.properties: expected names and values");
      for (const auto& [name, value] : options_.Any("properties").object()) settings.properties.emplace_back(name, value.is_string() ? value.String() : value.Dump());
    }
    for (const char* name : {"password", "user"}) {
      if (!options_.Has(name)) continue;
      TENON_ASSIGN(std::string secret, Secret(options_.Text(name), spec.folder, Str("connect.", name)));
      settings.properties.emplace_back(name == std::string_view("user") ? "sasl.username" : "sasl.password", std::move(secret));
    }
    TENON_ASSIGN(auto reader, platform::KafkaReader::Open(call, settings, nullptr));
    TENON_ASSIGN(auto copies, Copies::Make());
    TENON_ASSIGN(const Written written, Write(call, *reader, settings.topic, Since(spec.since), *copies));
    Brought out;
    out.position = written.position;
    if (written.rows > 0) {
      out.files = {written.path};
      out.keeper = std::move(copies);
      return out;
    }
    if (spec.since.empty()) return Error(Code::kNotFound, Str("the topic ", settings.topic, " has no records"));
    // Nothing new: the columns that the source needs to have, without a row.
    std::vector<table::Field> fields;
    for (const std::string* name : {&spec.key, &spec.time, &spec.group}) {
      if (!name->empty()) fields.push_back({*name, table::Type::kString});
    }
    out.rows = table::ReaderOver(std::make_shared<const table::Schema>(std::move(fields)), {});
    return out;
  }

 private:
  struct Written {
    std::int64_t rows = 0;
    std::string path;      // a row a line
    std::string position;  // behind what was read of each partition, rows or none
  };
  // The lines of the partitions, each for itself until all are there: which comes first is the broker's affair, and no matter of the rows.
  class Parts {
   public:
    explicit Parts(Copies& copies) : copies_(copies), files_(platform::RealFiles()) {}
    std::string& LinesOf(int partition) {
      Part& part = parts_[partition];
      if (part.path.empty()) part.path = copies_.Path(Str("records-", partition, ".jsonl"));
      return part.lines;
    }
    Result<void> Flush(std::size_t least) {
      std::size_t waiting = 0;
      for (const auto& [partition, part] : parts_) waiting += part.lines.size();
      if (waiting < least) return {};
      for (auto& [partition, part] : parts_) {
        if (part.lines.empty()) continue;
        TENON_ASSIGN(auto out, files_->Append(part.path));
        TENON_TRY(out->Append(part.lines));
        part.lines.clear();
      }
      return {};
    }
    // One file of all, in the order of partitions and of records in them.
    Result<std::string> Join() {
      TENON_TRY(Flush(0));
      std::string path = copies_.Path("records.jsonl");
      TENON_ASSIGN(auto out, files_->Append(path));
      for (const auto& [partition, part] : parts_) {
        if (!files_->Exists(part.path)) continue;
        TENON_ASSIGN(const auto bytes, files_->Map(part.path));
        for (std::string_view left = bytes->view(); !left.empty(); left.remove_prefix(std::min(left.size(), kPart))) {
          TENON_TRY(out->Append(left.substr(0, kPart)));
          bytes->Forget(left.substr(0, kPart));
        }
        TENON_TRY(files_->Remove(part.path));
      }
      return path;
    }

   private:
    struct Part {
      std::string path, lines;
    };
    Copies& copies_;
    std::unique_ptr<platform::Files> files_;
    std::map<int, Part> parts_;
  };

  // Every record that is there now, from `since` on, with its place.
  Result<Written> Write(const Call& call, platform::KafkaReader& reader, const std::string& topic, const std::map<int, std::int64_t>& since, Copies& copies) {
    std::map<int, std::int64_t> ends;  // of partitions with something to read
    std::map<int, std::int64_t> read;  // behind what was read
    std::vector<platform::KafkaPlace> places;
    for (int partition = 0; partition < reader.partitions(); ++partition) {
      TENON_ASSIGN(const auto bounds, reader.Bounds(partition));
      const auto found = since.find(partition);
      if (found != since.end() && found->second < bounds.first) {
        return Error(Code::kNotFound, Str("partition ", partition, " of ", topic, " begins at record ", bounds.first, " now, and was read up to ", found->second - 1,
                                          ": what is between is gone; `tenon data add --full` begins anew with what is there"));
      }
      const std::int64_t from = found == since.end() ? bounds.first : found->second;
      if (from > 0) read[partition] = from;
      if (from >= bounds.second) continue;
      ends[partition] = bounds.second;
      places.push_back({partition, from});
    }
    Written out;
    if (places.empty()) {
      out.position = PositionOf(read);
      return out;
    }
    TENON_TRY(reader.Assign(places));
    Parts parts(copies);
    std::int64_t left_out = 0;
    auto heard = std::chrono::steady_clock::now();
    while (!ends.empty()) {
      TENON_ASSIGN(const auto records, reader.Poll(call, kBatch, std::chrono::milliseconds(500)));
      for (const platform::KafkaRecord& record : records) {
        const auto end = ends.find(record.partition);
        if (end == ends.end() || record.offset >= end->second) continue;  // it came while this was read: of the next time
        auto added = Add(record, topic, &parts.LinesOf(record.partition));
        if (!added.ok() && options_.Text("malformed") == "refuse") return std::move(added).error();
        ++(added.ok() ? out.rows : left_out);
      }
      TENON_TRY(parts.Flush(kPart));
      const auto over = [&](const auto& end) {
        const std::int64_t next = reader.Next(end.first);
        if (next < end.second && !reader.AtEnd(end.first)) return false;
        read[end.first] = std::min(next, end.second);  // what is behind the end comes the next time
        return true;
      };
      if (std::erase_if(ends, over) > 0 || !records.empty()) {
        heard = std::chrono::steady_clock::now();
      } else if (std::chrono::steady_clock::now() - heard > kPatience) {
        return Error(Code::kUnavailable, Str("nothing of the topic ", topic, " came within ", kPatience.count(), " s"));
      }
    }
    TENON_ASSIGN(out.path, parts.Join());
    out.position = PositionOf(read);
    if (left_out > 0) call.Say(Level::kWarning, Str(FormatCount(left_out), " records of ", topic, " are no JSON objects and were left out"));
    return out;
  }

  static Result<void> Add(const platform::KafkaRecord& record, std::string_view topic, std::string* lines) {
    const std::string where = Str("record ", record.offset, " of partition ", record.partition, " of ", topic);
    if (record.value.data() == nullptr) return Error(Code::kInvalidArgument, Str(where, ": no value; connect.malformed: leave_out passes over such records"));
    auto json = Json::Parse(record.value, where);
    if (!json.ok() || !json->is_object()) {
      const std::string why = json.ok() ? Str("a ", json->KindName(), ", no JSON object") : std::string(json.error().message());
      return Error(Code::kInvalidArgument, Str(where, ": ", why, "; connect.malformed: leave_out passes over such records"));
    }
    // The value goes on as it was written: numbers keep all their digits.
    const std::string_view text = Trim(record.value);
    *lines += Str("{\"kafka_partition\":", record.partition, ",\"kafka_offset\":", record.offset, json->object().empty() ? "" : ",", text.substr(1), "\n");
    return {};
  }

  Options options_;
};

}  // namespace

Result<void> AddKafka(Kinds<Place>& kinds) {
  using Type = Option::Type;
  return kinds.Add("kafka",
                   {.summary = "Read the records of a Kafka topic, whose values are JSON objects",
                    .when = "Events that are kept in a broker. Every record that is there when reading begins; with `incremental: offsets` only new ones. Needs librdkafka1.",
                    .example = R"({"malformed": "leave_out"})",
                    .options = {{"malformed", Type::kText, "refuse", "records that are no JSON objects: refuse, or leave_out"},
                                {"user", Type::kText, nullptr, "env:NAME or file:PATH, for SASL"},
                                {"password", Type::kText, nullptr, "env:NAME or file:PATH, for SASL"},
                                {"properties", Type::kAny, nullptr, "more settings of librdkafka by their names: security.protocol, sasl.mechanism ..."}}},
                   [](const Options& options) -> Result<std::unique_ptr<Place>> { return std::make_unique<Kafka>(options); });
}

}  // namespace tenon::ingest

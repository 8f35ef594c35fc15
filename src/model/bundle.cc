#include "model/bundle.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::model {
namespace {

constexpr std::string_view kMagic = "TENONBDL";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kAlign = 64;
constexpr std::size_t kHashBytes = 64;  // hexadecimal, as sha256sum prints it
constexpr std::size_t kFixed = 8 + 4 + 4 + 8 + 8;
constexpr std::size_t kEntryFixed = 4 + 8 + 8 + kHashBytes;

template <typename T>
void Put(T value, std::string* out) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out->append(raw, sizeof(T));
}

template <typename T>
T Get(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

std::size_t Aligned(std::size_t at) { return (at + kAlign - 1) / kAlign * kAlign; }

Error Damaged(std::string_view what) {
  return Error(Code::kDataLoss, Str("the bundle is damaged: ", what, "; take it from the registry or a backup again"));
}

struct Entry {
  std::string name;
  std::uint64_t offset = 0, size = 0;
  std::string_view hash;
};

// The header's fixed part and its table, checked against the table's own hash and the file's size.
Result<std::vector<Entry>> ReadTable(std::string_view bytes) {
  if (bytes.size() < kFixed || bytes.substr(0, kMagic.size()) != kMagic) {
    return Error(Code::kDataLoss, "this is not a model bundle, or its first bytes are damaged");
  }
  if (const auto version = Get<std::uint32_t>(bytes, 8); version != kVersion) {
    return Error(Code::kFailedPrecondition, Str("the bundle has format version ", version, "; this program reads ", kVersion,
                                                "; use the tenon that wrote it, or export the model again"));
  }
  const auto count = Get<std::uint32_t>(bytes, 12);
  const auto file_size = Get<std::uint64_t>(bytes, 16);
  const auto header = Get<std::uint64_t>(bytes, 24);
  if (file_size != bytes.size()) return Damaged(Str("it has ", bytes.size(), " bytes and should have ", file_size));
  if (header < kFixed + kHashBytes || header > bytes.size()) return Damaged("its table of sections lies outside");
  const std::size_t table_end = static_cast<std::size_t>(header) - kHashBytes;
  if (HashOf(bytes.substr(0, table_end)) != bytes.substr(table_end, kHashBytes)) return Damaged("its table of sections has changed");
  std::vector<Entry> entries;
  std::size_t at = kFixed;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (table_end - at < kEntryFixed) return Damaged("its table of sections is cut off");
    const auto length = Get<std::uint32_t>(bytes, at);
    if (table_end - at - kEntryFixed < length) return Damaged("its table of sections is cut off");
    Entry entry;
    entry.name = bytes.substr(at + 4, length);
    at += 4 + length;
    entry.offset = Get<std::uint64_t>(bytes, at);
    entry.size = Get<std::uint64_t>(bytes, at + 8);
    entry.hash = bytes.substr(at + 16, kHashBytes);
    at += kEntryFixed - 4;
    entries.push_back(std::move(entry));
  }
  if (at != table_end) return Damaged("its table of sections has a rest");
  return entries;
}

bool AllZero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == 0; });
}

}  // namespace

Result<std::shared_ptr<const Bundle>> Bundle::Open(std::shared_ptr<const platform::Bytes> bytes) {
  const std::string_view all = bytes->view();
  TENON_ASSIGN(const std::vector<Entry> entries, ReadTable(all));
  auto bundle = std::make_shared<Bundle>();
  std::size_t end = static_cast<std::size_t>(Get<std::uint64_t>(all, 24));
  for (const Entry& entry : entries) {
    const std::size_t begin = Aligned(end);
    if (entry.offset != begin || begin > all.size() || entry.size > all.size() - begin) {
      return Damaged(Str("the section ", entry.name, " lies outside"));
    }
    if (!AllZero(all.substr(end, begin - end))) return Damaged(Str("the bytes before the section ", entry.name, " have changed"));
    const std::string_view section = all.substr(begin, static_cast<std::size_t>(entry.size));
    if (HashOf(section) != entry.hash) return Damaged(Str("the section ", entry.name, " does not match its SHA-256"));
    bundle->sections_.emplace_back(entry.name, section);
    end = begin + section.size();
  }
  if (end != all.size()) return Damaged("there are bytes after the last section");
  TENON_ASSIGN(bundle->manifest_, Json::Parse(bundle->section("manifest"), "manifest"), "reading the bundle's manifest");
  if (!bundle->manifest_.is_object()) return Damaged("its manifest is not an object");
  bundle->bytes_ = std::move(bytes);
  return bundle;
}

std::string_view Bundle::section(std::string_view name) const {
  for (const auto& [known, bytes] : sections_) {
    if (known == name) return bytes;
  }
  return {};
}

std::vector<std::string> Bundle::sections() const {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : sections_) names.push_back(name);
  return names;
}

std::string Bundle::Write(const Json& manifest, const std::map<std::string, std::string>& sections) {
  std::map<std::string, std::string> all = sections;
  all["manifest"] = manifest.Canonical();
  std::size_t header = kFixed + kHashBytes;
  for (const auto& [name, bytes] : all) header += kEntryFixed + name.size();
  std::string table;
  std::size_t end = header;
  for (const auto& [name, bytes] : all) {
    const std::size_t begin = Aligned(end);
    Put(static_cast<std::uint32_t>(name.size()), &table);
    table += name;
    Put(static_cast<std::uint64_t>(begin), &table);
    Put(static_cast<std::uint64_t>(bytes.size()), &table);
    table += HashOf(bytes);
    end = begin + bytes.size();
  }
  std::string out(kMagic);
  Put(kVersion, &out);
  Put(static_cast<std::uint32_t>(all.size()), &out);
  Put(static_cast<std::uint64_t>(end), &out);
  Put(static_cast<std::uint64_t>(header), &out);
  out += table;
  out += HashOf(out);
  for (const auto& [name, bytes] : all) {
    out.resize(Aligned(out.size()));
    out += bytes;
  }
  return out;
}

}  // namespace tenon::model

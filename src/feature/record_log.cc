#include <cstring>

#include "base/hash.h"
#include "feature/record_log_internal.h"

namespace tenon::feature {
namespace {

constexpr std::string_view kMagic = "tnrlog01";
constexpr std::size_t kFrame = 16;  // checksum and size before each batch

template <typename T>
void Append(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename T>
bool Take(std::string_view* from, T* out) {
  if (from->size() < sizeof *out) return false;
  std::memcpy(out, from->data(), sizeof *out);
  from->remove_prefix(sizeof *out);
  return true;
}

// One batch's entries; the words are copied to where they are aligned. False when the bytes contradict themselves.
bool ReadEntries(const RecordLayout& layout, std::string_view bytes, std::vector<OnlineEntry>* entries, std::vector<std::uint64_t>* words, Newest* newest) {
  std::uint32_t rule = 0, count = 0;
  if (!Take(&bytes, &rule) || !Take(&bytes, &count) || rule > 1 || count > bytes.size() / 24) return false;
  *newest = static_cast<Newest>(rule);
  entries->clear();
  words->assign(count * layout.words(), 0);
  for (std::uint32_t i = 0; i < count; ++i) {
    OnlineEntry entry;
    std::uint32_t key = 0, texts = 0;
    if (!Take(&bytes, &key) || !Take(&bytes, &texts) || !Take(&bytes, &entry.at) || !Take(&bytes, &entry.created)) return false;
    const bool erases = texts == 0xffffffffU;
    if (!erases) {
      if (bytes.size() < layout.words() * 8) return false;
      std::memcpy(words->data() + i * layout.words(), bytes.data(), layout.words() * 8);
      entry.words = {words->data() + i * layout.words(), layout.words()};
      bytes.remove_prefix(layout.words() * 8);
      if (bytes.size() < texts) return false;
      entry.texts = bytes.substr(0, texts);
      bytes.remove_prefix(texts);
    }
    if (bytes.size() < key) return false;
    entry.key = bytes.substr(0, key);
    bytes.remove_prefix(key);
    entries->push_back(entry);
  }
  return bytes.empty();
}

}  // namespace

std::string RecordLogHead(const RecordLayout& layout) {
  std::string out(kMagic);
  Append(&out, layout.hash());
  return out;
}

std::string RecordFrame(const RecordLayout& layout, std::span<const OnlineEntry> entries, Newest newest) {
  std::string out(kFrame, '\0');
  Append(&out, static_cast<std::uint32_t>(newest));
  Append(&out, static_cast<std::uint32_t>(entries.size()));
  for (const OnlineEntry& entry : entries) {
    const bool erases = entry.words.empty() && layout.words() > 0;
    Append(&out, static_cast<std::uint32_t>(entry.key.size()));
    Append(&out, erases ? 0xffffffffU : static_cast<std::uint32_t>(entry.texts.size()));
    Append(&out, entry.at);
    Append(&out, entry.created);
    if (!erases) {
      out.append(reinterpret_cast<const char*>(entry.words.data()), entry.words.size_bytes());
      out.append(entry.texts);
    }
    out.append(entry.key);
  }
  const std::uint64_t size = out.size() - kFrame, sum = Hash64(std::string_view(out).substr(kFrame), size);
  std::memcpy(out.data(), &sum, 8);
  std::memcpy(out.data() + 8, &size, 8);
  return out;
}

std::size_t ReadRecordLog(const RecordLayout& layout, std::string_view bytes,
                          const std::function<Result<void>(std::span<const OnlineEntry>, Newest)>& visit, Result<void>* failed) {
  const std::string head = RecordLogHead(layout);
  if (bytes.substr(0, head.size()) != head) return 0;
  std::vector<OnlineEntry> entries;
  std::vector<std::uint64_t> words;
  std::size_t at = head.size();
  while (true) {
    std::string_view rest = bytes.substr(at);
    std::uint64_t sum = 0, size = 0;
    if (!Take(&rest, &sum) || !Take(&rest, &size) || size > rest.size()) return at;
    const std::string_view payload = rest.substr(0, size);
    Newest newest = Newest::kEvent;
    if (Hash64(payload, size) != sum || !ReadEntries(layout, payload, &entries, &words, &newest)) return at;
    if (*failed = visit(entries, newest); !failed->ok()) return at;
    at += kFrame + size;
  }
}

}  // namespace tenon::feature

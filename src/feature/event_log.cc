#include "feature/event_log.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::feature {
namespace {

constexpr std::string_view kMagic = "tnevlog1";
constexpr std::size_t kHead = 24;            // of a record: sum, when, sizes
constexpr std::uint32_t kMost = 64 << 20;    // bytes of a key or a value

std::string SegmentName(std::int64_t offset) {
  std::string digits = std::to_string(offset);
  return Str(std::string(20 - digits.size(), '0'), digits, ".events");
}

// First offsets of the segments in a folder, ascending.
Result<std::vector<std::int64_t>> SegmentsOf(const platform::Files& files, const std::string& folder) {
  std::vector<std::int64_t> out;
  if (!files.Exists(folder)) return out;
  TENON_ASSIGN(const std::vector<std::string> names, files.List(folder));
  for (const std::string& name : names) {
    std::int64_t offset = 0;
    if (name.size() == 27 && name.ends_with(".events") && ParseInt64(std::string_view(name).substr(0, 20), &offset)) out.push_back(offset);
  }
  return out;
}

void AppendRecord(std::string* out, std::int64_t offset, const Message& message, Micros now) {
  const std::size_t from = out->size();
  out->resize(from + kHead);
  out->append(message.key);
  out->append(message.value);
  char* at = out->data() + from;
  const auto key = static_cast<std::uint32_t>(message.key.size()), value = static_cast<std::uint32_t>(message.value.size());
  std::memcpy(at + 8, &now, 8);
  std::memcpy(at + 16, &key, 4);
  std::memcpy(at + 20, &value, 4);
  const std::uint64_t sum = Hash64(std::string_view(*out).substr(from + 8), static_cast<std::uint64_t>(offset));
  std::memcpy(at, &sum, 8);
}

// The record at `at`; false when it is not whole.
bool ReadRecord(std::string_view bytes, std::size_t at, std::int64_t offset, Message* out, std::size_t* next) {
  if (at > bytes.size() || bytes.size() - at < kHead) return false;
  std::uint64_t sum;
  std::uint32_t key, value;
  std::memcpy(&sum, bytes.data() + at, 8);
  std::memcpy(&out->appended, bytes.data() + at + 8, 8);
  std::memcpy(&key, bytes.data() + at + 16, 4);
  std::memcpy(&value, bytes.data() + at + 20, 4);
  const std::size_t size = std::size_t{key} + value;
  if (key > kMost || value > kMost || bytes.size() - at - kHead < size) return false;
  if (Hash64(bytes.substr(at + 8, kHead - 8 + size), static_cast<std::uint64_t>(offset)) != sum) return false;
  out->offset = offset;
  out->key = bytes.substr(at + kHead, key);
  out->value = bytes.substr(at + kHead + key, value);
  *next = at + kHead + size;
  return true;
}

// Whether a segment has its head: not when its writer died at once. data_loss when it is something else.
Result<bool> HasHead(std::string_view bytes, const std::string& path) {
  if (bytes.starts_with(kMagic)) return true;
  if (kMagic.starts_with(bytes)) return false;
  return Error(Code::kDataLoss, Str(path, " does not begin as a segment of an event log does; put it aside to go on without its events"));
}

}  // namespace

EventLogWriter::EventLogWriter(platform::Files& files, std::string folder, Sync sync, std::uint64_t segment_bytes,
                               std::chrono::milliseconds patience)
    : files_(files), folder_(std::move(folder)), sync_(sync), segment_bytes_(segment_bytes), patience_(patience) {}

Result<void> EventLogWriter::Begin(std::int64_t offset) {
  segment_ = platform::JoinPath(folder_, SegmentName(offset));
  TENON_TRY(files_.Write(segment_, kMagic));
  TENON_ASSIGN(appender_, files_.Append(segment_));
  next_ = offset;
  size_ = kMagic.size();
  return {};
}

// Goes to the end of the log, which others may have moved, past whole records; cuts off what is not whole.
Result<void> EventLogWriter::Adopt() {
  TENON_ASSIGN(const std::vector<std::int64_t> segments, SegmentsOf(files_, folder_));
  if (segments.empty()) return Begin(0);
  const std::string path = platform::JoinPath(folder_, SegmentName(segments.back()));
  TENON_ASSIGN(const platform::FileInfo info, files_.Info(path));
  if (path == segment_ && info.bytes == size_) return {};
  TENON_ASSIGN(const auto bytes, files_.Map(path));
  const std::string_view view = bytes->view();
  std::size_t at = kMagic.size();
  std::int64_t next = segments.back();
  if (path == segment_ && size_ <= view.size()) {
    at = size_;
    next = next_;
  }
  TENON_ASSIGN(const bool begun, HasHead(view, path));
  if (!begun) return Begin(next);
  Message message;
  while (ReadRecord(view, at, next, &message, &at)) ++next;
  if (at < view.size()) {
    // Half a record of a killed writer, or one that was damaged and whole ones behind it: they are kept for who wants to look.
    TENON_TRY(files_.Write(Str(path, ".", next, ".cut"), view.substr(at)), "keeping what is not whole");
    TENON_TRY(files_.Write(path, view.substr(0, at)), "cutting off a record that is not whole");
  }
  TENON_ASSIGN(appender_, files_.Append(path));
  segment_ = path;
  size_ = at;
  next_ = next;
  return {};
}

Result<std::int64_t> EventLogWriter::Append(std::span<const Message> messages, Micros now) {
  for (const Message& message : messages) {
    if (message.key.size() > kMost || message.value.size() > kMost) {
      return Error(Code::kInvalidArgument, Str("an event of ", message.key.size() + message.value.size(), " bytes; at most ", kMost, " are taken"));
    }
  }
  TENON_TRY(files_.MakeFolders(folder_));
  const auto until = std::chrono::steady_clock::now() + patience_;
  std::unique_ptr<platform::FileLock> lock;
  while (lock == nullptr) {
    auto taken = files_.Lock(platform::JoinPath(folder_, "lock"));
    if (taken.ok()) {
      lock = *std::move(taken);
    } else if (taken.error().code() != Code::kUnavailable || std::chrono::steady_clock::now() > until) {
      return std::move(taken).error();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  TENON_TRY(Adopt());
  if (size_ > segment_bytes_) TENON_TRY(Begin(next_));
  std::string bytes;
  for (std::size_t i = 0; i < messages.size(); ++i) AppendRecord(&bytes, next_ + static_cast<std::int64_t>(i), messages[i], now);
  TENON_TRY(appender_->Append(bytes));
  const auto when = std::chrono::steady_clock::now();
  if (sync_ == Sync::kBatch || (sync_ == Sync::kSecond && when - synced_ > std::chrono::seconds(1))) {
    TENON_TRY(appender_->Sync());
    synced_ = when;
  }
  const std::int64_t first = next_;
  next_ += static_cast<std::int64_t>(messages.size());
  size_ += bytes.size();
  return first;
}

Result<int> EventLogWriter::Trim(std::int64_t before) {
  TENON_ASSIGN(const std::vector<std::int64_t> segments, SegmentsOf(files_, folder_));
  int removed = 0;
  for (std::size_t i = 0; i + 1 < segments.size() && segments[i + 1] <= before; ++i) {
    TENON_TRY(files_.Remove(platform::JoinPath(folder_, SegmentName(segments[i]))));
    ++removed;
  }
  return removed;
}

// Maps the segment that has the offset, or the last one before it. False: there is no segment.
Result<bool> EventLogReader::Open(std::int64_t offset) {
  TENON_ASSIGN(const std::vector<std::int64_t> segments, SegmentsOf(files_, folder_));
  if (segments.empty()) return false;
  if (offset < segments.front()) {
    return Error(Code::kNotFound, Str("offset ", offset, " is no longer in ", folder_, "; the first one there is ", segments.front()));
  }
  const auto after = std::upper_bound(segments.begin(), segments.end(), offset);
  const std::int64_t first = *(after - 1);
  segment_ = platform::JoinPath(folder_, SegmentName(first));
  TENON_ASSIGN(bytes_, files_.Map(segment_));
  if (next_ != offset || at_ < kMagic.size() || first > offset || at_ > bytes_->view().size()) {
    next_ = first;
    at_ = kMagic.size();
  }
  return HasHead(bytes_->view(), segment_);
}

Result<std::span<const Message>> EventLogReader::Read(std::int64_t from, std::size_t most) {
  messages_.clear();
  bool opened = false;
  if (next_ != from || bytes_ == nullptr) {
    next_ = -1;
    TENON_ASSIGN(const bool any, Open(from));
    if (!any) return std::span<const Message>();
    opened = true;
  }
  while (messages_.size() < most) {
    Message message;
    std::size_t after = 0;
    if (ReadRecord(bytes_->view(), at_, next_, &message, &after)) {
      if (next_ >= from) messages_.push_back(message);
      at_ = after;
      ++next_;
      continue;
    }
    if (!messages_.empty()) break;  // they point into this mapping
    TENON_ASSIGN(const platform::FileInfo info, files_.Info(segment_));
    if (!opened && info.bytes > bytes_->view().size()) {  // it grew
      TENON_ASSIGN(bytes_, files_.Map(segment_));
      opened = true;
      continue;
    }
    // At the end of the segment: is there a later one?
    TENON_ASSIGN(const std::vector<std::int64_t> segments, SegmentsOf(files_, folder_));
    if (segments.empty() || platform::JoinPath(folder_, SegmentName(segments.back())) == segment_) break;
    const auto later = std::upper_bound(segments.begin(), segments.end(), next_ - 1);
    if (later == segments.end() || *later != next_) {
      return Error(Code::kDataLoss, Str("record ", next_, " in ", segment_, " is damaged: its checksum does not fit"));
    }
    segment_ = platform::JoinPath(folder_, SegmentName(*later));
    TENON_ASSIGN(bytes_, files_.Map(segment_));
    at_ = kMagic.size();
    opened = true;
    TENON_ASSIGN(const bool begun, HasHead(bytes_->view(), segment_));
    if (!begun) break;
  }
  return std::span<const Message>(messages_);
}

Result<std::int64_t> EventLogReader::First() const {
  TENON_ASSIGN(const std::vector<std::int64_t> segments, SegmentsOf(files_, folder_));
  return segments.empty() ? 0 : segments.front();
}

Result<std::int64_t> EventLogReader::End() {
  TENON_ASSIGN(const std::vector<std::int64_t> segments, SegmentsOf(files_, folder_));
  if (segments.empty()) return 0;
  const std::string path = platform::JoinPath(folder_, SegmentName(segments.back()));
  TENON_ASSIGN(const auto bytes, files_.Map(path));
  std::int64_t next = segments.back();
  TENON_ASSIGN(const bool begun, HasHead(bytes->view(), path));
  if (!begun) return next;
  std::size_t at = kMagic.size();
  Message message;
  while (ReadRecord(bytes->view(), at, next, &message, &at)) ++next;
  return next;
}

}  // namespace tenon::feature

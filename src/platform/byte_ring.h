#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace tenon::platform {

// Records from one thread to one other, without locks: a ring of bytes. Put is the one thread's, Take the other's.
class ByteRing {
 public:
  static constexpr std::uint64_t kUsualBytes = 4 << 20;

  // A multiple of 8 bytes.
  explicit ByteRing(std::uint64_t size = kUsualBytes) : size_(size), bytes_(new char[size]) {}

  // False when there is no room.
  bool Put(std::uint32_t stream, std::string_view record) {
    const std::uint64_t need = kHead + (record.size() + 7) / 8 * 8;
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    std::uint64_t at = head % size_;
    // A record stands in one piece: what is left at the end is passed over when it does not fit there.
    const std::uint64_t skip = at + need > size_ ? size_ - at : 0;
    if (need + skip > size_ - (head - tail_.load(std::memory_order_acquire))) return false;
    if (skip != 0) {
      WriteHead(at, kSkip, 0);
      at = 0;
    }
    WriteHead(at, stream, static_cast<std::uint32_t>(record.size()));
    std::memcpy(bytes_.get() + at + kHead, record.data(), record.size());
    head_.store(head + skip + need, std::memory_order_release);
    return true;
  }

  // Hands all that is there to `each(stream, record)`; gives the bytes it took.
  template <typename Each>
  std::uint64_t Take(Each each) {
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    const std::uint64_t before = tail;
    while (tail != head) {
      const std::uint64_t at = tail % size_;
      std::uint32_t words[2];
      std::memcpy(words, bytes_.get() + at, sizeof words);
      if (words[0] == kSkip) {
        tail += size_ - at;
        continue;
      }
      each(words[0], std::string_view(bytes_.get() + at + kHead, words[1]));
      tail += kHead + (words[1] + std::uint64_t{7}) / 8 * 8;
    }
    tail_.store(tail, std::memory_order_release);
    return tail - before;
  }

  std::atomic<bool> left{false};    // its thread has ended: nothing more comes
  std::atomic<bool> closed{false};  // its log is gone: nobody takes any more

 private:
  static constexpr std::uint64_t kHead = 8;
  static constexpr std::uint32_t kSkip = 0xffffffff;

  void WriteHead(std::uint64_t at, std::uint32_t stream, std::uint32_t size) {
    const std::uint32_t words[2] = {stream, size};
    std::memcpy(bytes_.get() + at, words, sizeof words);
  }

  const std::uint64_t size_;
  std::unique_ptr<char[]> bytes_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace tenon::platform

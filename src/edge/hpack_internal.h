#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::edge {

// Header compression of HTTP/2 (RFC 7541).

// One header, as places in a text.
struct HpackField {
  std::uint32_t name = 0, name_size = 0, value = 0, value_size = 0;
};

// Reads what a client sends: one of a connection, since blocks refer to those before. Strict: integers beyond 32 bits, indices of nothing,
// a table larger than allowed and malformed Huffman codes end it. One thread.
class HpackReader {
 public:
  static constexpr std::size_t kMostTable = 4096;   // bytes of the table; the protocol's own, so that nothing is to be announced
  static constexpr std::size_t kMostFields = 128;   // of a block; those beyond are read and left out
  // Appends the headers of a block to `text` and `fields`; what would make the text longer than `most` is left out and sets `too_large`. False
  // when the bytes are no such block: the connection cannot go on.
  bool Read(std::string_view block, std::size_t most, std::string* text, std::vector<HpackField>* fields, bool* too_large);
  // Grows with every change of the table or of its size: a block that is read again while this stays says and does the same again.
  std::uint64_t changes() const { return changes_; }

 private:
  struct Entry {
    std::string text;
    std::size_t name_size = 0;
    std::size_t size() const { return text.size() + 32; }
  };
  struct Sink;
  bool Literal(std::string_view* block, int prefix_bits, bool keep, Sink& sink);
  bool String(std::string_view* block, std::string* spare, std::string_view* out);
  bool At(std::uint32_t index, std::string_view* name, std::string_view* value) const;
  void Insert(std::string_view name, std::string_view value);
  void Evict(std::size_t until);

  std::vector<Entry> ring_;     // newest at `newest_`
  std::size_t newest_ = 0, count_ = 0, bytes_ = 0, limit_ = kMostTable;
  std::uint64_t changes_ = 0;
  std::string name_, value_;    // of a literal that is decoded
};

// Writes answers' headers. The few that nearly every answer has are put into the client's table and cost a byte from then on. One of a
// connection; one thread.
class HpackWriter {
 public:
  // The client's table has at most that many bytes.
  void Limit(std::uint32_t bytes);
  // Before the first header of a block.
  void Begin(std::string* block);
  void Append(std::string_view name, std::string_view value, std::string* block);
  // Without any table, so that the bytes are the same on every connection.
  static void AppendPlain(std::string_view name, std::string_view value, std::string* block);

 private:
  static constexpr std::size_t kShared = 4;
  std::uint32_t bound_ = 4096;
  bool told_ = true;                   // the client knows of the bound
  std::uint32_t inserted_ = 0;
  std::uint32_t place_[kShared] = {};  // of each, counted from 1 in the order they were put in; 0: it is not
};

}  // namespace tenon::edge

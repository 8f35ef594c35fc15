// Header compression against another hand's (nghttp2) and the examples of RFC 7541.

#include "edge/hpack_internal.h"

#include <gtest/gtest.h>

#include <malloc.h>

#include <random>

#include "base/text.h"
#include "edge/http2_testing_internal.h"

namespace tenon::edge {
namespace {

struct Got {
  bool good = false, too_large = false;
  HeaderList headers;
};

Got Read(HpackReader& reader, std::string_view block, std::size_t most = 1 << 20) {
  Got got;
  std::string text;
  std::vector<HpackField> fields;
  got.good = reader.Read(block, most, &text, &fields, &got.too_large);
  for (const HpackField& field : fields) got.headers.emplace_back(text.substr(field.name, field.name_size), text.substr(field.value, field.value_size));
  return got;
}

std::string Bytes(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size();) {
    if (hex[i] == ' ') {
      ++i;
      continue;
    }
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    i += 2;
  }
  return out;
}

// C.4 of the RFC: three requests of one connection, with Huffman codes and a table that grows.
TEST(Hpack, ReadsTheExamplesOfTheStandard) {
  HpackReader reader;
  const HeaderList first = {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "www.example.com"}};
  EXPECT_EQ(Read(reader, Bytes("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff")).headers, first);
  HeaderList second = first;
  second.emplace_back("cache-control", "no-cache");
  EXPECT_EQ(Read(reader, Bytes("8286 84be 5886 a8eb 1064 9cbf")).headers, second);
  const HeaderList third = {{":method", "GET"}, {":scheme", "https"}, {":path", "/index.html"}, {":authority", "www.example.com"}, {"custom-key", "custom-value"}};
  EXPECT_EQ(Read(reader, Bytes("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")).headers, third);
}

// Blocks of a connection, with every byte in their values, and a table whose size changes on the way.
TEST(Hpack, ReadsWhatAnotherHandWrites) {
  std::mt19937_64 random(1);
  for (const std::size_t table : {0U, 100U, 4096U}) {
    HpackPeer peer(table);
    HpackReader reader;
    peer.Table(table);
    std::vector<std::string> names = {":method", ":path", "content-type", "grpc-timeout", "x-request-id", "cookie", "te"};
    for (int round = 0; round < 600; ++round) {
      if (table == 4096 && round % 50 == 49) peer.Table(random() % 4097);
      HeaderList headers;
      for (std::uint64_t k = random() % 12; k > 0; --k) {
        std::string value;
        const std::uint64_t size = random() % (random() % 8 == 0 ? 700 : 12);
        for (std::uint64_t i = 0; i < size; ++i) value.push_back(static_cast<char>(random() % 3 == 0 ? random() : 'a' + random() % 26));
        if (random() % 2 == 0) value = Str("v", random() % 6);
        headers.emplace_back(names[random() % names.size()], value);
      }
      const Got got = Read(reader, peer.Write(headers));
      ASSERT_TRUE(got.good) << table << " " << round;
      ASSERT_EQ(got.headers, headers) << table << " " << round;
    }
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  for (int i = 0; i < 256; ++i) {
    // Among short codes, so that the other hand packs it.
    const HeaderList one = {{"a", std::string(60, 'e') + static_cast<char>(i) + std::string(static_cast<std::size_t>(i % 9), 'o')}};
    HpackPeer peer;
    HpackReader reader;
    ASSERT_EQ(Read(reader, peer.Write(one)).headers, one) << i;
  }
}

TEST(Hpack, AnotherHandReadsWhatIsWritten) {
  for (const std::uint32_t table : {4096U, 1000U, 512U, 511U, 0U, 100000U}) {
    HpackPeer peer;
    HpackWriter writer;
    for (int round = 0; round < 20; ++round) {
      if (round == 7) {
        writer.Limit(table);
        peer.InflateTable(table);
      }
      HeaderList headers = {{":status", round % 3 == 0 ? "200" : round % 3 == 1 ? "404" : "503"}, {"content-type", round % 2 == 0 ? "application/grpc" : "application/json"}};
      if (round % 4 != 0) headers.emplace_back("server", "tenon");
      headers.emplace_back("x-request-id", std::string(static_cast<std::size_t>(round) * 20, 'x'));
      headers.emplace_back("content-length", Str(round));
      headers.emplace_back("grpc-status", round % 5 == 4 ? "14" : "0");
      std::string block;
      writer.Begin(&block);
      for (const auto& [name, value] : headers) writer.Append(name, value, &block);
      HeaderList got;
      ASSERT_TRUE(peer.Read(block, &got)) << table << " " << round;
      ASSERT_EQ(got, headers) << table << " " << round;
    }
  }
}

// What nearly every answer has costs a byte once it was said.
TEST(Hpack, RepeatsCostAByte) {
  HpackWriter writer;
  std::string first, second;
  for (std::string* block : {&first, &second}) {
    writer.Begin(block);
    writer.Append(":status", "200", block);
    writer.Append("content-type", "application/grpc", block);
    writer.Append("grpc-status", "0", block);
  }
  EXPECT_GT(first.size(), 20U);
  EXPECT_EQ(second.size(), 3U);
}

TEST(Hpack, RefusesWhatIsNoBlock) {
  struct Case { const char* name; const char* hex; };
  const Case cases[] = {{"index 0", "80"},
                        {"index beyond the table", "be"},
                        {"a huge index", "ffffffffff7f"},
                        {"an integer without end", "ff808080808080"},
                        {"an integer cut", "ff"},
                        {"a text cut", "0003 6162"},
                        {"a length without a text", "40"},
                        {"a table larger than allowed", "3fe2 1f"},
                        {"a size of the table behind a header", "8220"},
                        {"Huffman code with a filling of 8 ones", "0001 6182 1fff"},
                        {"Huffman code filled with zeros", "0001 6181 18"},
                        {"Huffman code with the end in it", "0001 6184 ffff fffc"},
                        {"a name by an index of nothing", "7f80 01"}};
  for (const Case& c : cases) {
    HpackReader reader;
    EXPECT_FALSE(Read(reader, Bytes(c.hex)).good) << c.name;
  }
  HpackReader reader;
  EXPECT_TRUE(Read(reader, Bytes("3fe1 1f 82")).good);  // exactly as large as allowed
}

TEST(Hpack, LeavesOutWhatIsTooLargeAndReadsOn) {
  HpackPeer peer;
  HpackReader reader;
  const Got got = Read(reader, peer.Write({{"a", std::string(3000, '\1')}, {"b", "short"}}), 2000);
  EXPECT_TRUE(got.good && got.too_large);
  EXPECT_EQ(got.headers, (HeaderList{{"b", "short"}}));
  const Got next = Read(reader, peer.Write({{"b", "short"}}), 2000);  // the table is as the other hand has it
  EXPECT_TRUE(next.good && !next.too_large);
  EXPECT_EQ(next.headers, (HeaderList{{"b", "short"}}));
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "\x82";
  const Got flood = Read(reader, many);
  EXPECT_TRUE(flood.good && flood.too_large);
  EXPECT_EQ(flood.headers.size(), HpackReader::kMostFields);
}

TEST(Hpack, BytesThatAreNoBlockHarmNobody) {
  std::mt19937_64 random(3);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    HpackReader reader;
    for (int k = 0; k < 3; ++k) {
      std::string block;
      for (std::uint64_t i = random() % 60; i > 0; --i) block.push_back(static_cast<char>(random()));
      const Got got = Read(reader, block, 4096);
      HpackPeer peer;
      HeaderList theirs;
      if (k == 0 && got.good && !block.empty()) {
        ASSERT_TRUE(peer.Read(block, &theirs));
        ASSERT_EQ(got.headers, theirs);
      }
      if (!got.good) {
        ++refused;
        break;
      }
    }
  }
  EXPECT_GT(refused, 10000);
}

// A block is passed over when it comes again only if nothing has changed, the size of an empty table neither.
TEST(Hpack, ANewSizeOfTheTableIsAChange) {
  HpackReader reader;
  const std::uint64_t before = reader.changes();
  EXPECT_TRUE(Read(reader, Bytes("20")).good);
  const std::uint64_t none = reader.changes();
  EXPECT_NE(none, before);
  EXPECT_TRUE(Read(reader, Bytes("3fe1 1f")).good);
  EXPECT_NE(reader.changes(), none);
}

// Each is as large as the table, so that the table holds one at a time.
TEST(Hpack, WhatIsOutOfTheTableIsOutOfMemory) {
  HpackReader reader;
  const std::string block = std::string("\x40\x01" "a\x7f", 4) + static_cast<char>((4000 - 127) % 128 + 128) + static_cast<char>((4000 - 127) / 128) + std::string(4000, 'v');
  ASSERT_EQ(Read(reader, block).headers, (HeaderList{{"a", std::string(4000, 'v')}}));
  const std::size_t before = ::mallinfo2().uordblks;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Read(reader, block).good);
  EXPECT_LT(::mallinfo2().uordblks, before + (std::size_t{64} << 10));
}

}  // namespace
}  // namespace tenon::edge

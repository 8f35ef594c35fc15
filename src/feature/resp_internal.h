#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/socket.h"

namespace tenon::feature {

// One reply of a server that speaks RESP2 (redis.io/docs/reference/protocol-spec).
struct RespReply {
  enum class Kind { kText, kError, kNumber, kNull, kList };
  Kind kind = Kind::kNull;
  std::string text;
  std::int64_t number = 0;
  std::vector<RespReply> list;
};

// Reads one reply from `bytes` at *at and moves it behind; false when more bytes are needed. data_loss for what is none.
Result<bool> ReadResp(std::string_view bytes, std::size_t* at, RespReply* out, int depth = 0);

// A connection to a server: commands out, replies in their order. One thread.
class RespConnection {
 public:
  explicit RespConnection(std::unique_ptr<platform::Socket> socket) : socket_(std::move(socket)) {}
  void Until(std::chrono::steady_clock::time_point by) { socket_->Until(by); }
  // Adds a command to those that Flush sends.
  void Add(const std::vector<std::string_view>& words);
  Result<void> Flush();
  Result<RespReply> Next();
  // One command and its reply; an error reply becomes an Error.
  Result<RespReply> Ask(const std::vector<std::string_view>& words);

 private:
  std::unique_ptr<platform::Socket> socket_;
  std::string out_, in_;
  std::size_t read_ = 0;
};

}  // namespace tenon::feature

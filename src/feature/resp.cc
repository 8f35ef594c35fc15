#include "base/text.h"
#include "feature/resp_internal.h"

namespace tenon::feature {
namespace {

constexpr int kDeepest = 8;
constexpr std::int64_t kMost = 512 << 20;  // bytes of a text, entries of a list: as servers allow

}  // namespace

Result<bool> ReadResp(std::string_view bytes, std::size_t* at, RespReply* out, int depth) {
  const std::size_t end = bytes.find("\r\n", *at);
  if (end == std::string_view::npos) return false;
  if (end == *at || depth > kDeepest) return Error(Code::kDataLoss, "the server's reply is not of its protocol");
  const char kind = bytes[*at];
  const std::string_view line = bytes.substr(*at + 1, end - *at - 1);
  std::size_t next = end + 2;
  std::int64_t number = 0;
  if (kind == '+' || kind == '-') {
    out->kind = kind == '+' ? RespReply::Kind::kText : RespReply::Kind::kError;
    out->text = line;
  } else if ((kind != ':' && kind != '$' && kind != '*') || !ParseInt64(line, &number)) {
    return Error(Code::kDataLoss, Str("the server's reply is not of its protocol: '", bytes.substr(*at, std::min<std::size_t>(20, end - *at)), "'"));
  } else if (kind == ':') {
    out->kind = RespReply::Kind::kNumber;
    out->number = number;
  } else if (number < 0) {
    out->kind = RespReply::Kind::kNull;
  } else if (number > kMost) {
    return Error(Code::kDataLoss, Str("the server announced a reply of ", number, " parts"));
  } else if (kind == '$') {
    const auto size = static_cast<std::size_t>(number);
    if (bytes.size() - next < size + 2) return false;
    out->kind = RespReply::Kind::kText;
    out->text = bytes.substr(next, size);
    next += size + 2;
  } else {
    out->kind = RespReply::Kind::kList;
    out->list.clear();
    for (std::int64_t i = 0; i < number; ++i) {
      out->list.emplace_back();
      TENON_ASSIGN(const bool whole, ReadResp(bytes, &next, &out->list.back(), depth + 1));
      if (!whole) return false;
    }
  }
  *at = next;
  return true;
}

void RespConnection::Add(const std::vector<std::string_view>& words) {
  out_ += Str("*", words.size(), "\r\n");
  for (const std::string_view word : words) {
    out_ += Str("$", word.size(), "\r\n");
    out_ += word;
    out_ += "\r\n";
  }
}

Result<void> RespConnection::Flush() {
  auto sent = socket_->Send(out_);
  out_.clear();
  return sent;
}

Result<RespReply> RespConnection::Next() {
  while (true) {
    RespReply reply;
    std::size_t at = read_;
    TENON_ASSIGN(const bool whole, ReadResp(in_, &at, &reply));
    if (whole) {
      read_ = at;
      if (read_ == in_.size()) {
        in_.clear();
        read_ = 0;
      }
      return reply;
    }
    in_.erase(0, read_);
    read_ = 0;
    TENON_TRY(socket_->Receive(&in_));
  }
}

Result<RespReply> RespConnection::Ask(const std::vector<std::string_view>& words) {
  Add(words);
  TENON_TRY(Flush());
  TENON_ASSIGN(RespReply reply, Next());
  if (reply.kind != RespReply::Kind::kError) return reply;
  const Code code = reply.text.starts_with("NOAUTH") || reply.text.starts_with("WRONGPASS") ? Code::kUnauthenticated
                    : reply.text.starts_with("OOM")                                          ? Code::kResourceExhausted
                                                                                             : Code::kUnavailable;
  return Error(code, Str("the server refused ", words[0], ": ", reply.text));
}

}  // namespace tenon::feature

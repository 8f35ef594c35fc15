#pragma once

// A client of HTTP/2 in memory, and another hand at its header compression, for tests: nghttp2's, the reference that ours is held against.

#include <nghttp2/nghttp2.h>

#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "edge/http2_internal.h"

namespace tenon::edge {

inline std::string Framed(std::string_view message, bool compressed = false) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string out = {compressed ? '\1' : '\0', static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size)};
  return out.append(message);
}

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// nghttp2's header compression: what it writes, and what it reads of ours.
class HpackPeer {
 public:
  explicit HpackPeer(std::size_t table = 4096) {
    nghttp2_hd_deflate_new(&deflater_, table);
    nghttp2_hd_inflate_new(&inflater_);
  }
  ~HpackPeer() {
    nghttp2_hd_deflate_del(deflater_);
    nghttp2_hd_inflate_del(inflater_);
  }
  HpackPeer(const HpackPeer&) = delete;
  void Table(std::size_t bytes) { nghttp2_hd_deflate_change_table_size(deflater_, bytes); }
  void InflateTable(std::size_t bytes) { nghttp2_hd_inflate_change_table_size(inflater_, bytes); }
  std::string Write(HeaderList headers) {
    std::vector<nghttp2_nv> all;
    for (auto& [name, value] : headers) {
      all.push_back({reinterpret_cast<std::uint8_t*>(name.data()), reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    std::string out(nghttp2_hd_deflate_bound(deflater_, all.data(), all.size()), '\0');
    const ssize_t size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<std::uint8_t*>(out.data()), out.size(), all.data(), all.size());
    out.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return out;
  }
  // False when it is no block.
  bool Read(std::string_view block, HeaderList* out) {
    while (true) {
      nghttp2_nv header{};
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &header, &flags, reinterpret_cast<const std::uint8_t*>(block.data()), block.size(), 1);
      if (used < 0) return false;
      block.remove_prefix(static_cast<std::size_t>(used));
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        out->emplace_back(std::string(reinterpret_cast<const char*>(header.name), header.namelen), std::string(reinterpret_cast<const char*>(header.value), header.valuelen));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return block.empty();
  }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

class Http2Client {
 public:
  struct Reply {
    std::map<std::string, std::string> head;  // trailers too
    std::string body;
    bool closed = false;
    std::uint32_t reset = 0;
    int grpc() const { return head.contains("grpc-status") ? std::stoi(head.at("grpc-status")) : -1; }
    std::string problem() const { return head.contains("grpc-message") ? head.at("grpc-message") : ""; }
    // Message i of the body.
    std::string Message(std::size_t i = 0) const {
      std::size_t at = 0;
      for (;; --i) {
        if (at + 5 > body.size()) return "none";
        std::uint32_t size = 0;
        for (int k = 1; k < 5; ++k) size = size << 8 | static_cast<unsigned char>(body[at + static_cast<std::size_t>(k)]);
        if (i == 0) return body.substr(at + 5, size);
        at += 5 + size;
      }
    }
  };

  explicit Http2Client(std::uint32_t window = 65535) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t n,
                                                                   const std::uint8_t* value, std::size_t v, std::uint8_t, void* self) {
      static_cast<Http2Client*>(self)->replies_[frame->hd.stream_id].head[std::string(reinterpret_cast<const char*>(name), n)] =
          std::string(reinterpret_cast<const char*>(value), v);
      return 0;
    });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t n, void* self) {
      static_cast<Http2Client*>(self)->replies_[id].body.append(reinterpret_cast<const char*>(data), n);
      return 0;
    });
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, [](nghttp2_session*, std::int32_t id, std::uint32_t code, void* self) {
      static_cast<Http2Client*>(self)->replies_[id].closed = true;
      static_cast<Http2Client*>(self)->replies_[id].reset = code;
      return 0;
    });
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
      if (frame->hd.type == NGHTTP2_GOAWAY) static_cast<Http2Client*>(self)->goaway = static_cast<int>(frame->goaway.error_code);
      return 0;
    });
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1);
  }
  ~Http2Client() { nghttp2_session_del(session_); }
  Http2Client(const Http2Client&) = delete;

  // Begins a request; its body is sent as it is added.
  std::int32_t Begin(const std::string& path, const std::vector<std::pair<std::string, std::string>>& more = {}, const std::string& type = "application/grpc") {
    std::vector<std::pair<std::string, std::string>> all = {{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "t"}, {"te", "trailers"}};
    if (!type.empty()) all.emplace_back("content-type", type);
    for (const auto& one : more) {
      if (one.first.front() == ':') all[0].second = one.second;  // of the method
      else all.push_back(one);
    }
    std::vector<nghttp2_nv> head;
    for (auto& [name, value] : all) {
      head.push_back({reinterpret_cast<std::uint8_t*>(name.data()), reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    auto body = std::make_unique<Body>();
    nghttp2_data_provider source{};
    source.source.ptr = body.get();
    source.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t room, std::uint32_t* flags, nghttp2_data_source* from, void*) -> ssize_t {
      Body& mine = *static_cast<Body*>(from->ptr);
      const std::size_t n = std::min(room, mine.bytes.size());
      std::memcpy(out, mine.bytes.data(), n);
      mine.bytes.erase(0, n);
      if (mine.bytes.empty() && mine.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return n == 0 && !mine.end ? static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED) : static_cast<ssize_t>(n);
    };
    const std::int32_t id = nghttp2_submit_request(session_, nullptr, head.data(), head.size(), &source, nullptr);
    bodies_[id] = std::move(body);
    return id;
  }
  void Add(std::int32_t id, std::string_view bytes, bool end) {
    bodies_[id]->bytes.append(bytes);
    bodies_[id]->end = end;
    nghttp2_session_resume_data(session_, id);
  }
  std::int32_t Ask(const std::string& path, std::string_view message, const std::vector<std::pair<std::string, std::string>>& more = {}) {
    const std::int32_t id = Begin(path, more);
    Add(id, Framed(message), true);
    return id;
  }
  void Reset(std::int32_t id) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }
  void Ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }

  std::string Sent() {
    std::string out;
    const std::uint8_t* bytes = nullptr;
    for (ssize_t n = 0; (n = nghttp2_session_mem_send(session_, &bytes)) > 0;) out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n));
    return out;
  }
  void Take(std::string_view bytes) { (void)nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()); }
  const Reply& At(std::int32_t id) { return replies_[id]; }
  int goaway = -1;

 private:
  struct Body {
    std::string bytes;
    bool end = false;
  };
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Reply> replies_;
  std::map<std::int32_t, std::unique_ptr<Body>> bodies_;
};

}  // namespace tenon::edge

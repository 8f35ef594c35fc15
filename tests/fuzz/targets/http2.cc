// Connections of HTTP/2: raw bytes behind the preface, or frames whose sizes are made right, in pieces and with time passing.
// However they come, the connection stays within bounds and answers in frames.

#include <random>

#include "edge/http2_internal.h"
#include "edge/http2_testing_internal.h"
#include "fuzz/served.h"

namespace tenon::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

// Type, flags, stream and size are a byte each; the frame's head is made of them.
std::string AsFrames(std::string_view input) {
  std::string out;
  while (input.size() >= 4) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(input[i]); };
    const std::size_t size = std::min<std::size_t>(byte(3), input.size() - 4);
    out += {'\0', '\0', static_cast<char>(size), static_cast<char>(byte(0) % 12), input[1], '\0', '\0', '\0', static_cast<char>(byte(2) % 16)};
    out += input.substr(4, size);
    input.remove_prefix(4 + size);
  }
  return out;
}

// Whole frames, as RFC 9113 4.1 has them.
void CheckFrames(std::string_view sent) {
  while (!sent.empty()) {
    Hold(sent.size() >= 9, "a frame has a head");
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(sent[i])); };
    const std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    Hold(sent.size() >= 9 + size, "a frame is as long as it says");
    Hold(byte(3) <= 9, "a type of frame that there is");
    sent.remove_prefix(9 + size);
  }
}

void RunHttp2(std::string_view input) {
  if (input.size() < 2 || input.size() > 20000) return;
  std::mt19937_64 random(static_cast<unsigned char>(input[0]));
  const std::string bytes = (input[1] & 1) != 0 ? std::string(edge::kHttp2Preface) + std::string("\0\0\0\4\0\0\0\0\0", 9) + AsFrames(input.substr(2)) : std::string(input.substr(2));
  ServedLoan& loan = Loan();
  edge::Http2Connection connection({.most_header = 2000, .most_body = 3000, .slow = std::chrono::seconds(1)}, loan.worker());
  Clock::time_point now{std::chrono::hours(1)};
  std::string sent;
  std::size_t all = 0;
  const auto pump = [&] {
    sent.clear();
    connection.Pump(&sent);
    CheckFrames(sent);
    all += sent.size();
  };
  for (std::size_t at = 0; at < bytes.size() && !connection.over();) {
    const std::size_t piece = input[0] == '0' ? bytes.size() : 1 + random() % (random() % 64 + 1);
    const std::string one = bytes.substr(at, piece);
    at += one.size();
    connection.Receive(one, {.client = 7, .address = "192.0.2.7", .arrived = now});
    if (random() % 3 != 0) pump();
    if (random() % 16 == 0) {
      now += std::chrono::milliseconds(250);
      connection.Tick(now);
    }
    if ((input[1] & 2) != 0 && random() % 64 == 0) connection.Drain();
  }
  for (int i = 0; i < 12; ++i) {
    now += std::chrono::milliseconds(250);
    connection.Tick(now);
    pump();
  }
  Hold(all < (std::size_t{4} << 20), "an answer is in proportion to what was asked");
  Hold(!connection.idle() || connection.held() == 0, "nothing is kept of requests that are gone");
  connection.Drain();
  pump();
  loan.Restore();
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const bool whole : {true, false}) {
    edge::Http2Client client;
    client.Ask("/inference.GRPCInferenceService/ModelReady", std::string("\x0a\x04loan"));
    client.Ask("/inference.GRPCInferenceService/ServerMetadata", "", {{"grpc-timeout", "100m"}, {"grpc-encoding", "gzip"}});
    client.Ask("/grpc.health.v1.Health/Watch", "");
    const auto stream = client.Begin("/inference.GRPCInferenceService/ModelStreamInfer");
    client.Add(stream, edge::Framed("\x0a\x04loan"), false);
    client.Add(stream, edge::Framed("") + edge::Framed("x", true), true);
    const auto plain = client.Begin("/v2/models/loan", {{":method", "GET"}}, "");
    client.Add(plain, "", true);
    const auto post = client.Begin("/v1/endpoints/loan:predict", {}, "application/json");
    client.Add(post, R"({"instances":[{"age":40}]})", true);
    client.Reset(client.Begin("/inference.GRPCInferenceService/ModelStreamInfer"));
    client.Ping();
    seeds.push_back(Str(whole ? "0" : "7", whole ? "0" : "2", client.Sent()));
  }
  // Headers without compression, data, a reset, a ping and a window, each as type, flags, stream, size, bytes.
  const std::string head("\x83\x86\x04\x05/v2/x\x41\x01t", 13);
  seeds.push_back(std::string("31", 2) + std::string("\x01\x04\x01", 3) + static_cast<char>(head.size()) + head + std::string("\x00\x01\x01\x03" "abc", 7) +
                  std::string("\x03\x00\x01\x04\0\0\0\x08", 8) + std::string("\x06\x00\x00\x08" "12345678", 12) + std::string("\x08\x00\x00\x04\0\0\1\0", 8));
  return seeds;
}

}  // namespace

Target MakeHttp2() { return {RunHttp2, Seeds}; }

}  // namespace tenon::fuzz

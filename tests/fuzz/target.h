#pragma once

// What a fuzz target is: a file of targets/ that ends in a function `Target Make<Name>()`. CMake makes of each a libFuzzer
// program (clang) and puts all into one program that tries a fixed number of inputs (any compiler; part of ./test).

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace tenon::fuzz {

struct Target {
  void (*run)(std::string_view input);    // any bytes; ends the program when something that must hold does not
  std::vector<std::string> (*seeds)();    // inputs that reach deep, made by the writers themselves
};

// Ends the program, saying what should have held.
[[noreturn]] inline void Fail(std::string_view what) {
  std::fputs("does not hold: ", stderr);
  std::fwrite(what.data(), 1, what.size(), stderr);
  std::fputc('\n', stderr);
  std::abort();
}
inline void Hold(bool holds, std::string_view what) {
  if (!holds) Fail(what);
}

// A part of bytes that can be read: what is no letter as \hh.
inline std::string Readable(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    char escape[4];
    std::snprintf(escape, sizeof escape, "\\%02x", static_cast<unsigned char>(c));
    out += c >= ' ' && c <= '~' ? std::string(1, c) : std::string(escape);
  }
  return out;
}
inline void Same(std::string_view a, std::string_view b, std::string_view what) {
  if (a == b) return;
  std::size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  const std::size_t from = at < 60 ? 0 : at - 60;
  Fail(Str(what, ", from byte ", at, " of ", a.size(), " and ", b.size(), " on\n  first:  ", Readable(a.substr(from, 200)),
           "\n  second: ", Readable(b.substr(from, 200))));
}

// The value of what must not fail.
template <typename T>
T Must(Result<T> result, std::string_view what) {
  if (!result.ok()) Fail(Str(what, ": ", result.error().ToString()));
  return *std::move(result);
}
inline void Must(Result<void> result, std::string_view what) {
  if (!result.ok()) Fail(Str(what, ": ", result.error().ToString()));
}

// An error that a user can see: it has a message, and it is about the bytes and not a bug of ours.
inline void CheckError(const Error& error) {
  Hold(!error.message().empty(), "an error says something");
  Hold(error.code() != Code::kInternal, Str("no input is a bug of ours: ", error.ToString()));
}

// Little-endian numbers in bytes that are made right again after they were changed: checksums and sizes, which would
// otherwise hide all that lies behind them.
template <typename T>
T GetAt(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}
template <typename T>
void PutAt(std::string* bytes, std::size_t at, T value) {
  std::memcpy(bytes->data() + at, &value, sizeof(T));
}

}  // namespace tenon::fuzz

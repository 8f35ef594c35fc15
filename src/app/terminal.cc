#include "app/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace tenon::app {
namespace {

// Columns a text takes on a terminal: code points, not bytes.
std::size_t WidthOf(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool LooksNumeric(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.,-+%e") == std::string_view::npos;
}

}  // namespace

Terminal::Terminal() : live_(isatty(1) != 0 && isatty(2) != 0), colour_(isatty(1) != 0) {
  const char* term = std::getenv("TERM");
  if (term != nullptr && std::string_view(term) == "dumb") live_ = colour_ = false;
  if (const char* plain = std::getenv("NO_COLOR"); plain != nullptr && *plain != '\0') colour_ = false;
}

std::string Terminal::Paint(std::string_view code, std::string_view text) const {
  if (!colour_) return std::string(text);
  return Str("\x1b[", code, "m", text, "\x1b[0m");
}

void Terminal::ClearLive() {
  const MutexLock lock(mutex_);
  if (!live_shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  live_shown_ = false;
}

void Terminal::Line(std::string_view text) {
  ClearLive();
  const MutexLock lock(mutex_);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void Terminal::Note(std::string_view text) {
  ClearLive();
  const MutexLock lock(mutex_);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fputc('\n', stderr);
}

void Terminal::JsonLine(const Json& json) { Line(json.Dump()); }

void Terminal::Live(std::string_view text) {
  if (!live_) return;
  const MutexLock lock(mutex_);
  const std::string shown = Str("\r\x1b[K", text.substr(0, 110));
  std::fwrite(shown.data(), 1, shown.size(), stderr);
  std::fflush(stderr);
  live_shown_ = true;
}

void Terminal::Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], WidthOf(row[i]));
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const std::string& cell = rows[r][i];
      const std::string room(widths[i] - WidthOf(cell), ' ');
      const bool right = r > 0 && LooksNumeric(cell);
      line += right ? room + cell : i + 1 < rows[r].size() ? cell + room : cell;
      if (i + 1 < rows[r].size()) line += "  ";
    }
    Line(r == 0 ? Bold(line) : line);
  }
}

void TerminalLog::Write(Level level, std::string_view message) {
  if (level < least_) return;
  static constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warning", "error"};
  terminal_.Note(Str(kNames[static_cast<std::size_t>(level)], ": ", message));
}

}  // namespace tenon::app

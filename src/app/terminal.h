#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "base/json.h"
#include "base/mutex.h"

namespace tenon::app {

// Standard output and error as people see them: colours and a live line only on a terminal that wants them. Safe from
// any thread.
class Terminal {
 public:
  Terminal();
  bool live() const { return live_; }
  void Line(std::string_view text);                 // to standard output
  void Note(std::string_view text);                 // to standard error
  void JsonLine(const Json& json);                  // one object a line, flushed
  // Replaces the live line; nothing when there is none.
  void Live(std::string_view text);
  void ClearLive();
  // Columns aligned; the first row is the head. Cells that look like numbers stand right.
  void Table(const std::vector<std::vector<std::string>>& rows);

  std::string Bold(std::string_view text) const { return Paint("1", text); }
  std::string Dim(std::string_view text) const { return Paint("2", text); }
  std::string Green(std::string_view text) const { return Paint("32", text); }
  std::string Red(std::string_view text) const { return Paint("31", text); }
  std::string Yellow(std::string_view text) const { return Paint("33", text); }

 private:
  std::string Paint(std::string_view code, std::string_view text) const;
  bool live_;
  bool colour_;
  Mutex mutex_;
  bool live_shown_ TENON_GUARDED_BY(mutex_) = false;
};

// Writes log lines to standard error: "12:00:01 warning: ...".
class TerminalLog final : public Log {
 public:
  TerminalLog(Terminal& terminal, Level least) : terminal_(terminal), least_(least) {}
  void Write(Level level, std::string_view message) override;

 private:
  Terminal& terminal_;
  Level least_;
};

}  // namespace tenon::app

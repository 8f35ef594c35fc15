#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/terminal.h"
#include "base/call.h"
#include "base/json.h"
#include "pipeline/kits.h"
#include "platform/files.h"
#include "store/store.h"

namespace tenon::app {

// One setting of a command: "--port", or without dashes a positional argument.
struct Flag {
  enum class Kind { kText, kInt, kNumber, kBool, kTexts };
  std::string name;
  std::string help;
  Kind kind = Kind::kText;
  std::string fallback = {};   // as text; "" : none
  bool required = false;
  std::vector<std::string> choices = {};
};

// What was given, by flag name without dashes.
class Args {
 public:
  std::string Text(const std::string& name) const;
  std::int64_t Int(const std::string& name) const;
  double Number(const std::string& name) const;
  bool Bool(const std::string& name) const;
  std::vector<std::string> Texts(const std::string& name) const;
  void Set(const std::string& name, std::vector<std::string> values) { values_[name] = std::move(values); }

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

// What every command works with. Made in main.
struct Context {
  Call call;                  // stops on SIGINT and SIGTERM
  platform::Files& files;
  const pipeline::Kits& kits;
  Terminal& terminal;
  bool json = false;          // machine-readable lines instead of text
};

// One verb of the command line. `run` returns the exit status: 0 when all is well, 1 when what was asked about is not
// (gates failed, drift found, anomalies), and the error's own status for an Error.
struct Command {
  std::string name;           // "run", "models ls"
  std::string summary;        // one line
  std::string example;        // a line a user can copy
  std::vector<Flag> flags;
  std::function<Result<int>(Context&, const Args&)> run;
};

std::vector<Command> AllCommands();

// Parses and runs; prints help, version and errors. The exit status.
int RunCommandLine(int argc, char** argv, Context& context, const std::vector<Command>& commands);

// A program that is one command, described but for its `run`: needs no Context. The exit status.
int RunOnly(int argc, char** argv, Terminal& terminal, const Command& command, const std::function<Result<int>(const Args&, bool json)>& run);

// A script for bash, zsh or fish that completes commands and flags.
Result<std::string> CompletionScript(std::string_view shell, const std::vector<Command>& commands);

// The store of a project folder. Reading: not_found says to run first. Waits three seconds for a writer's lock before it is
// unavailable.
Result<std::unique_ptr<store::Store>> OpenStore(Context& context, const std::string& folder, store::Store::Access access);

}  // namespace tenon::app

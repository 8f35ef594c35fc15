#include <cstdlib>
#include <thread>

#include "app/command.h"
#include "app/signals.h"

int main(int argc, char** argv) {
  using namespace tenon;
  std::stop_source stop;
  app::StopOnSignals(stop);
  app::Terminal terminal;
  app::TerminalLog log(terminal, std::getenv("TENON_DEBUG") != nullptr ? Level::kDebug : Level::kWarning);
  auto files = platform::RealFiles();
  auto kits = pipeline::Kits::Make();
  if (!kits) {
    terminal.Note(kits.error().ToString());
    return RowOf(kits.error().code()).exit;
  }
  Call call;
  call.stop = stop.get_token();
  call.log = &log;
  call.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  if (const char* user = std::getenv("USER"); user != nullptr && *user != '\0') call.actor = user;
  app::Context context{.call = call, .files = *files, .kits = *kits, .terminal = terminal};
  app::Leave(terminal, [&] { return app::RunCommandLine(argc, argv, context, app::AllCommands()); });
}

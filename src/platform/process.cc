#include "platform/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.h"

extern char** environ;

namespace tenon::platform {
namespace {

constexpr std::size_t kKept = 64 << 10;

int StatusOf(int waited) { return WIFSIGNALED(waited) ? 128 + WTERMSIG(waited) : WEXITSTATUS(waited); }

// Starts it in a process group of its own, with both outputs into `out`. An errno.
int Spawn(const std::vector<std::string>& words, int out, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, out, 2);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);  // last: where our own input is closed, `out` is 0
  // Signals as a program expects them, whatever this thread holds back or passes over.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int failed = posix_spawnp(pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return failed;
}

}  // namespace

Result<Ran> RunProgram(const Call& call, const std::vector<std::string>& words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error(Code::kResourceExhausted, Str("no pipe to run ", words[0], ": ", std::strerror(errno)));
  pid_t pid = -1;
  const int failed = Spawn(words, ends[1], &pid);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return Error(failed == ENOENT || failed == EACCES ? Code::kNotFound : Code::kUnavailable, Str("the program ", words[0], " cannot be run: ", std::strerror(failed)));
  }
  Ran out;
  Result<void> going;
  std::array<char, 8192> piece;
  while (true) {
    going = call.Check();
    if (!going.ok()) break;
    pollfd ready{.fd = ends[0], .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, 100) <= 0) continue;
    const auto size = ::read(ends[0], piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    out.said.append(piece.data(), static_cast<std::size_t>(size));
    if (out.said.size() > 2 * kKept) out.said.erase(0, out.said.size() - kKept);
  }
  ::close(ends[0]);
  // It may have closed its outputs and go on.
  int waited = 0;
  pid_t ended = 0;
  while (going.ok() && (ended = ::waitpid(pid, &waited, WNOHANG)) == 0) {
    ::poll(nullptr, 0, 5);
    going = call.Check();
  }
  if (!going.ok()) ::kill(-pid, SIGKILL);
  while (ended != pid && (ended = ::waitpid(pid, &waited, 0)) < 0 && errno == EINTR) {
  }
  if (!going.ok()) return std::move(going).error();
  if (out.said.size() > kKept) out.said.erase(0, out.said.size() - kKept);
  out.status = StatusOf(waited);
  return out;
}

}  // namespace tenon::platform

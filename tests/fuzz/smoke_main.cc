// Tries every fuzz target on its seeds and on a fixed number of changed ones, without libFuzzer: part of ./test.
//   fuzz_smoke [--runs N] [target...]     the same inputs every time
//   fuzz_smoke --only N target            the N-th input alone, after a failure
//   fuzz_smoke --seeds FOLDER target      writes the target's seeds as files, for libFuzzer
//   fuzz_smoke --list

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "fuzz/target.h"

namespace tenon::fuzz {

std::map<std::string, Target> AllTargets();  // made by CMake from targets/

namespace {

std::array<char, 200> now_trying{};  // for the handler, which may do little

void SayWhat(int signal) {
  (void)!write(2, now_trying.data(), std::strlen(now_trying.data()));
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// What tends to upset readers.
constexpr std::array<std::string_view, 20> kWords = {
    "", std::string_view("\0", 1), "\xFF\xFF\xFF\xFF", "\xFF\xFF\xFF\x7F", std::string_view("\0\0\0\x80", 4), "\"", "\\", "{", "[", "]", "}",
    ",", "\r\n", "-", "1e999", "NaN", "9223372036854775808", "\xC3", "(", "null"};

class Changer {
 public:
  explicit Changer(std::uint64_t seed) : random_(seed) {}
  std::string Change(std::string text, const std::vector<std::string>& seeds) {
    for (std::uint64_t times = 1 + Below(4); times > 0; --times) ChangeOnce(&text, seeds);
    return text;
  }

 private:
  std::uint64_t Below(std::uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }
  void ChangeOnce(std::string* text, const std::vector<std::string>& seeds) {
    const auto at = static_cast<std::size_t>(Below(text->size() + 1));
    const auto length = static_cast<std::size_t>(Below(std::min<std::uint64_t>(text->size() - at + 1, 64)));
    switch (Below(7)) {
      case 0: text->resize(at); break;
      case 1: text->erase(at, length); break;
      case 2: text->insert(at, kWords[static_cast<std::size_t>(Below(kWords.size()))]); break;
      case 3: {
        const std::string_view word = kWords[static_cast<std::size_t>(Below(kWords.size()))];
        text->replace(at, std::min(word.size(), text->size() - at), word);
        break;
      }
      case 4: text->insert(at, text->substr(at, length)); break;
      case 5: {
        const std::string& other = seeds[static_cast<std::size_t>(Below(seeds.size()))];
        const auto from = static_cast<std::size_t>(Below(other.size() + 1));
        text->insert(at, other.substr(from, length + 8));
        break;
      }
      default:
        if (at < text->size()) (*text)[at] = static_cast<char>((*text)[at] ^ (1 << Below(8)));
    }
  }
  std::mt19937_64 random_;
};

void Try(const std::string& name, const Target& target, std::uint64_t runs, std::int64_t only) {
  const std::vector<std::string> seeds = target.seeds();
  Hold(!seeds.empty(), Str(name, " has seeds"));
  for (std::uint64_t run = 0; run < seeds.size() + runs; ++run) {
    if (only >= 0 && run != static_cast<std::uint64_t>(only)) continue;
    std::snprintf(now_trying.data(), now_trying.size(), "failed in: fuzz_smoke --only %llu %s\n",
                  static_cast<unsigned long long>(run), name.c_str());
    target.run(run < seeds.size() ? seeds[run] : Changer(run).Change(seeds[run % seeds.size()], seeds));
  }
  std::printf("%s: %zu seeds, %llu changed\n", name.c_str(), seeds.size(), static_cast<unsigned long long>(runs));
}

void WriteSeeds(const Target& target, const std::string& folder) {
  std::filesystem::create_directories(folder);
  std::size_t i = 0;
  for (const std::string& seed : target.seeds()) {
    std::ofstream(Str(folder, "/seed-", i++), std::ios::binary).write(seed.data(), static_cast<std::streamsize>(seed.size()));
  }
}

int Main(const std::vector<std::string>& arguments) {
  const std::map<std::string, Target> all = AllTargets();
  std::uint64_t runs = 1000;
  std::int64_t only = -1;
  std::string folder;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--list") {
      for (const auto& [name, target] : all) std::printf("%s\n", name.c_str());
      return 0;
    }
    const bool takes = arguments[i] == "--runs" || arguments[i] == "--only" || arguments[i] == "--seeds";
    if (takes && i + 1 == arguments.size()) return std::fprintf(stderr, "%s wants a value\n", arguments[i].c_str()), 2;
    if (arguments[i] == "--runs") {
      runs = std::stoull(arguments[++i]);
    } else if (arguments[i] == "--only") {
      only = std::stoll(arguments[++i]);
      runs = static_cast<std::uint64_t>(only) + 1;
    } else if (arguments[i] == "--seeds") {
      folder = arguments[++i];
    } else if (all.contains(arguments[i])) {
      names.push_back(arguments[i]);
    } else {
      return std::fprintf(stderr, "no target %s; --list shows them\n", arguments[i].c_str()), 2;
    }
  }
  for (const int fatal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::signal(fatal, SayWhat);
  for (const auto& [name, target] : all) {
    if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
    if (folder.empty()) {
      Try(name, target, runs, only);
    } else {
      WriteSeeds(target, folder);
    }
  }
  return 0;
}

}  // namespace
}  // namespace tenon::fuzz

int main(int count, char** words) { return tenon::fuzz::Main(std::vector<std::string>(words + 1, words + count)); }

#include "app/command.h"
#include "base/text.h"

namespace tenon::app {
namespace {

// "models ls" of group "models"; commands without a group stand alone.
std::string FlagsOf(const Command& command) {
  std::string out = "--help --json";
  for (const Flag& flag : command.flags) {
    if (flag.name.starts_with("--")) out += " " + flag.name;
  }
  return out;
}

std::string Bash(const std::vector<Command>& commands) {
  std::map<std::string, std::string> words;  // what was typed -> what may follow
  for (const Command& command : commands) {
    const std::size_t blank = command.name.find(' ');
    const std::string first = command.name.substr(0, blank);
    if (words[""].find(" " + first + " ") == std::string::npos) words[""] += (words[""].empty() ? " " : "") + first + " ";
    if (blank != std::string::npos) words[first] += command.name.substr(blank + 1) + " ";
    words[command.name] += FlagsOf(command);
  }
  std::string out =
      "_tenon() {\n  local cur=${COMP_WORDS[COMP_CWORD]} typed=\"\" i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in -*) break ;; *) [ $i -le 2 ] && typed=\"$typed${typed:+ }${COMP_WORDS[i]}\" ;; esac\n  done\n"
      "  local words=\"\"\n  while :; do\n    case $typed in\n";
  for (const auto& [typed, next] : words) out += Str("      \"", typed, "\") words=\"", Trim(next), "\"; break ;;\n");
  out +=
      "      *\" \"*) typed=${typed% *} ;;\n      *) break ;;\n    esac\n  done\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\") $(compgen -f -- \"$cur\"))\n}\ncomplete -o filenames -F _tenon tenon\n";
  return out;
}

std::string Fish(const std::vector<Command>& commands) {
  std::string out = "complete -c tenon -f\n";
  for (const Command& command : commands) {
    const std::vector<std::string> parts = Split(command.name, ' ');
    std::string summary;
    for (const char c : command.summary) summary += c == '\'' ? std::string("\\'") : std::string(1, c);
    if (parts.size() == 1) {
      out += Str("complete -c tenon -n __fish_use_subcommand -a ", parts[0], " -d '", summary, "'\n");
    } else {
      out += Str("complete -c tenon -n '__fish_seen_subcommand_from ", parts[0], "' -a ", parts[1], " -d '", summary, "'\n");
    }
    for (const Flag& flag : command.flags) {
      if (flag.name.starts_with("--")) {
        out += Str("complete -c tenon -n '__fish_seen_subcommand_from ", parts.back(), "' -F -l ", flag.name.substr(2), "\n");
      }
    }
  }
  return out;
}

}  // namespace

Result<std::string> CompletionScript(std::string_view shell, const std::vector<Command>& commands) {
  if (shell == "bash") return Bash(commands);
  if (shell == "zsh") return Str("autoload -U +X bashcompinit && bashcompinit\n", Bash(commands));
  if (shell == "fish") return Fish(commands);
  return Error(Code::kInvalidArgument, Str("no completion for '", shell, "'; there are: bash, zsh, fish"));
}

}  // namespace tenon::app

// The one place that knows CLI11: turns the table of commands into a parser, help pages and completions.

#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include "app/command.h"
#include "base/text.h"

namespace tenon::app {
namespace {

struct Given {
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, std::string> texts;
  std::map<std::string, bool> bools;
};

std::string Bare(const std::string& name) { return name.starts_with("--") ? name.substr(2) : name; }

// CLI11 takes 99999999999999999999 for a whole number too, and gives something else.
std::string WrongWhole(std::string& text) {
  std::int64_t value = 0;
  return ParseInt64(text, &value) ? "" : Str("expected a whole number of 64 bits, got '", text, "'");
}

// The command given when there is no such, with what may have been meant; "" when it is another mistake.
std::string NoSuchCommand(int argc, char** argv, const std::vector<Command>& commands) {
  std::vector<std::string> words;
  for (int i = 1; i < argc && i <= 2 && argv[i][0] != '-'; ++i) words.emplace_back(argv[i]);
  if (words.empty()) return "";
  std::vector<std::string> firsts;
  std::vector<std::string> seconds;
  for (const Command& command : commands) {
    const std::vector<std::string> name = Split(command.name, ' ');
    if (firsts.empty() || firsts.back() != name[0]) firsts.push_back(name[0]);
    if (name[0] == words[0] && name.size() > 1) seconds.push_back(name[1]);
  }
  if (std::ranges::find(firsts, words[0]) == firsts.end()) return Str("no command '", words[0], "'", DidYouMean(words[0], firsts));
  if (seconds.empty() || words.size() < 2 || std::ranges::find(seconds, words[1]) != seconds.end()) return "";
  return Str("no command '", words[0], " ", words[1], "'", DidYouMean(words[1], seconds));
}

// The flag given when the command has no such, with what may have been meant; "" when it is another mistake.
std::string NoSuchFlag(const CLI::App& parser, const Command& command) {
  for (const std::string& word : parser.remaining()) {
    if (!word.starts_with("--")) continue;
    std::vector<std::string> known = {"--json", "--help"};
    for (const Flag& flag : command.flags) {
      if (flag.name.starts_with("--")) known.push_back(flag.name);
    }
    return Str("no flag '", word, "' of ", command.name, DidYouMean(word, known));
  }
  return "";
}

void AddFlags(CLI::App* app, const Command& command, Given* given) {
  for (const Flag& flag : command.flags) {
    const std::string bare = Bare(flag.name);
    if (flag.kind == Flag::Kind::kBool) {
      app->add_flag(flag.name, given->bools[bare], flag.help);
      continue;
    }
    auto* option = flag.kind == Flag::Kind::kTexts ? app->add_option(flag.name, given->lists[bare], flag.help)
                                                    : app->add_option(flag.name, given->texts[bare], flag.help);
    option->type_name(flag.kind == Flag::Kind::kInt || flag.kind == Flag::Kind::kNumber ? "NUMBER" : "TEXT");
    if (flag.kind == Flag::Kind::kInt) option->check(CLI::Validator(WrongWhole, ""));
    if (flag.kind == Flag::Kind::kNumber) option->check(CLI::TypeValidator<double>("a number"));
    if (!flag.choices.empty()) option->check(CLI::IsMember(flag.choices));
    if (!flag.fallback.empty()) option->default_str(flag.fallback);
    option->required(flag.required);
  }
  app->footer("Example:\n  " + command.example);
}

Args ArgsOf(const Command& command, const Given& given) {
  Args args;
  for (const Flag& flag : command.flags) {
    const std::string bare = Bare(flag.name);
    if (flag.kind == Flag::Kind::kBool) {
      const auto it = given.bools.find(bare);
      args.Set(bare, {it != given.bools.end() && it->second ? "true" : "false"});
      continue;
    }
    std::vector<std::string> values;
    if (const auto list = given.lists.find(bare); list != given.lists.end()) values = list->second;
    if (const auto text = given.texts.find(bare); text != given.texts.end() && !text->second.empty()) values = {text->second};
    if (values.empty() && !flag.fallback.empty()) values.push_back(flag.fallback);
    args.Set(bare, std::move(values));
  }
  return args;
}

int Report(Terminal& terminal, bool json, const Error& error) {
  if (json) {
    Json out;
    out["error"]["code"] = RowOf(error.code()).name;
    out["error"]["message"] = error.ForPeople();
    out["error"]["trail"] = error.ToString();
    terminal.JsonLine(out);
  } else {
    terminal.Note(terminal.Red("error: ") + error.ForPeople());
    if (error.code() == Code::kInternal) terminal.Note(terminal.Dim(error.ToString()));
  }
  return RowOf(error.code()).exit;
}

}  // namespace

std::string Args::Text(const std::string& name) const {
  const auto it = values_.find(name);
  return it == values_.end() || it->second.empty() ? "" : it->second.back();
}

std::vector<std::string> Args::Texts(const std::string& name) const {
  const auto it = values_.find(name);
  return it == values_.end() ? std::vector<std::string>{} : it->second;
}

std::int64_t Args::Int(const std::string& name) const {
  std::int64_t value = 0;
  ParseInt64(Text(name), &value);
  return value;
}

double Args::Number(const std::string& name) const {
  double value = 0;
  ParseDouble(Text(name), &value);
  return value;
}

bool Args::Bool(const std::string& name) const { return Text(name) == "true"; }

int RunCommandLine(int argc, char** argv, Context& context, const std::vector<Command>& commands) {
  CLI::App app("Tenon takes machine learning from a question to a prediction service that stays right.", "tenon");
  app.set_version_flag("--version", Str("tenon ", TENON_VERSION));
  app.require_subcommand(1);
  app.footer("Start with:  tenon init my-project --from data.csv --label column\nThen:        tenon run my-project");
  std::map<std::string, CLI::App*> groups;
  std::vector<std::unique_ptr<Given>> givens;
  std::vector<CLI::App*> parsers;
  for (const Command& command : commands) {
    CLI::App* parent = &app;
    std::string name = command.name;
    if (const std::size_t blank = name.find(' '); blank != std::string::npos) {
      const std::string group = name.substr(0, blank);
      name = name.substr(blank + 1);
      if (!groups.contains(group)) {
        groups[group] = app.add_subcommand(group, "");
        groups[group]->require_subcommand(1);
      }
      parent = groups[group];
      const std::string before = parent->get_description();
      parent->description(before.empty() ? name : Str(before, ", ", name));
    }
    CLI::App* parser = parent->add_subcommand(name, command.summary);
    givens.push_back(std::make_unique<Given>());
    AddFlags(parser, command, givens.back().get());
    parser->add_flag("--json", context.json, "Print JSON lines for machines");
    parsers.push_back(parser);
  }
  if (argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> known;
    for (const Command& command : commands) known.push_back(command.name.substr(0, command.name.find(' ')));
    if (std::ranges::find(known, argv[1]) == known.end()) {
      return Report(context.terminal, context.json, Error(Code::kInvalidArgument, Str("no command '", argv[1], "'", DidYouMean(argv[1], known))));
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& wrong) {
    std::string why = NoSuchCommand(argc, argv, commands);
    for (std::size_t i = 0; i < commands.size() && why.empty(); ++i) {
      if (parsers[i]->parsed()) why = NoSuchFlag(*parsers[i], commands[i]);
    }
    if (why.empty()) why = wrong.what();
    return Report(context.terminal, context.json, Error(Code::kInvalidArgument, Str(why, "; `tenon --help` says more")));
  }
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (!parsers[i]->parsed()) continue;
    Result<int> status = commands[i].run(context, ArgsOf(commands[i], *givens[i]));
    context.terminal.ClearLive();
    return status ? *status : Report(context.terminal, context.json, status.error());
  }
  return RowOf(Code::kInvalidArgument).exit;
}

int RunOnly(int argc, char** argv, Terminal& terminal, const Command& command, const std::function<Result<int>(const Args&, bool json)>& run) {
  CLI::App app(command.summary, command.name);
  app.set_version_flag("--version", Str(command.name, " ", TENON_VERSION));
  bool json = false;
  Given given;
  AddFlags(&app, command, &given);
  app.add_flag("--json", json, "Print JSON lines for machines");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& wrong) {
    std::string why = NoSuchFlag(app, command);
    if (why.empty()) why = wrong.what();
    return Report(terminal, json, Error(Code::kInvalidArgument, Str(why, "; `", command.name, " --help` says more")));
  }
  Result<int> status = run(ArgsOf(command, given), json);
  return status ? *status : Report(terminal, json, status.error());
}

}  // namespace tenon::app

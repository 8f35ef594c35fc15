#include "table/pattern.h"

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace tenon::table {
namespace {

constexpr std::uint32_t kBroken = 0x110000;  // + the byte: what is no UTF-8 is a character of its own
constexpr std::size_t kMostSteps = 4000;
constexpr int kMostDepth = 200;
constexpr int kMostTimes = 1000;
enum Assert : std::int32_t { kStart, kEnd, kWordEdge, kNoWordEdge };

using Set = std::vector<Pattern::Span>;

// The code point at `at`, and how many bytes it is.
std::uint32_t PointAt(std::string_view text, std::size_t at, std::size_t* size) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])) : 0U; };
  const std::uint32_t first = byte(at);
  *size = 1;
  if (first < 0x80) return first;
  const std::size_t length = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xC2 && first < 0xE0 ? 2 : 0;
  if (length == 0) return kBroken + first;
  std::uint32_t point = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return kBroken + first;
    point = point << 6 | (byte(at + i) & 0x3F);
  }
  *size = length;
  return point;
}

bool IsWord(std::uint32_t c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z'); }

Set Negated(Set set) {
  std::sort(set.begin(), set.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
  Set out;
  std::uint32_t next = 0;
  for (const auto& [low, high] : set) {
    if (low > next) out.push_back({next, low - 1});
    next = std::max(next, high + 1);
  }
  out.push_back({next, kBroken + 0xFF});
  return out;
}

Set Named(char name) {
  Set set;
  if (name == 'd' || name == 'D') set = {{'0', '9'}};
  if (name == 'w' || name == 'W') set = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  if (name == 's' || name == 'S') set = {{'\t', '\r'}, {' ', ' '}};
  return name >= 'A' && name <= 'Z' ? Negated(std::move(set)) : set;
}

struct Tree {
  enum class Kind : std::uint8_t { kSet, kAssert, kJoin, kEither, kRepeat, kGroup };
  Kind kind = Kind::kJoin;
  Set set = {};
  int number = 0;           // of the group, or which assertion
  int least = 0, most = 0;  // of repetitions; most -1: any
  bool greedy = true;
  std::vector<std::unique_ptr<Tree>> parts = {};
};
using Owned = std::unique_ptr<Tree>;

Owned NewTree(Tree::Kind kind) {
  auto tree = std::make_unique<Tree>();
  tree->kind = kind;
  return tree;
}

}  // namespace

class PatternMaker {
 public:
  explicit PatternMaker(std::string_view text) : text_(text) {}

  Result<Pattern> Make() {
    if (text_.starts_with("(?i)")) {
      fold_ = true;
      at_ = 4;
    }
    TENON_ASSIGN(const Owned tree, Either(0));
    if (at_ < text_.size()) return Wrong("')' without '('");
    Save(0);
    Emit(*tree);
    Save(1);
    Push({Pattern::Step::Kind::kMatch});
    if (made_.steps_.size() > kMostSteps) return Error(Code::kInvalidArgument, Str("the pattern '", text_, "' is too large with its repetitions"));
    return std::move(made_);
  }

 private:
  Error Wrong(std::string_view what) const {
    return Error(Code::kInvalidArgument, Str("the pattern '", text_, "': ", what, " at character ", at_ + 1));
  }
  bool More() const { return at_ < text_.size(); }
  bool Next(char c) {
    if (!More() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<Owned> Either(int depth) {
    if (depth > kMostDepth) return Wrong("groups are nested too deeply");
    Owned either = NewTree(Tree::Kind::kEither);
    do {
      Owned join = NewTree(Tree::Kind::kJoin);
      while (More() && text_[at_] != '|' && text_[at_] != ')') {
        TENON_ASSIGN(Owned part, Repeated(depth));
        join->parts.push_back(std::move(part));
      }
      either->parts.push_back(std::move(join));
    } while (Next('|'));
    return either;
  }

  Result<Owned> Repeated(int depth) {
    TENON_ASSIGN(Owned part, One(depth));
    int least = 0;
    int most = -1;
    if (Next('*')) {
    } else if (Next('+')) {
      least = 1;
    } else if (Next('?')) {
      most = 1;
    } else if (!ReadTimes(&least, &most)) {
      return part;
    }
    if (least > kMostTimes || most > kMostTimes || (most >= 0 && least > most)) {
      return Wrong(Str("repetitions are from 0 to ", kMostTimes, ", the fewer first,"));
    }
    if (part->kind == Tree::Kind::kAssert) return Wrong("nothing to repeat");
    Owned repeat = NewTree(Tree::Kind::kRepeat);
    repeat->least = least;
    repeat->most = most;
    repeat->greedy = !Next('?');
    if (More() && (text_[at_] == '*' || text_[at_] == '+')) return Wrong("nothing to repeat");
    repeat->parts.push_back(std::move(part));
    return repeat;
  }

  // {m}, {m,}, {m,n}; anything else is a brace.
  bool ReadTimes(int* least, int* most) {
    if (!More() || text_[at_] != '{') return false;
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) return false;
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    const std::size_t comma = inside.find(',');
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (inside.empty() || inside.front() < '0' || inside.front() > '9') return false;
    if (!ParseInt64(inside.substr(0, comma), &low)) return false;
    if (comma == std::string_view::npos) {
      high = low;
    } else if (comma + 1 == inside.size()) {
      high = -1;
    } else if (!ParseInt64(inside.substr(comma + 1), &high) || high < 0) {
      return false;
    }
    *least = static_cast<int>(std::min<std::int64_t>(low, kMostTimes + 1));
    *most = static_cast<int>(std::min<std::int64_t>(high, kMostTimes + 1));
    at_ = end + 1;
    return true;
  }

  Result<Owned> One(int depth) {
    const char c = text_[at_];
    if (c == '(') return Group(depth);
    if (c == '[') return Class();
    if (c == '*' || c == '+' || c == '?') return Wrong("nothing to repeat");
    if (c == '^' || c == '$') {
      ++at_;
      return AssertOf(c == '^' ? kStart : kEnd);
    }
    if (c == '.') {
      ++at_;
      return SetOf(Negated({{'\n', '\n'}}));
    }
    if (c == '\\') {
      const char name = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      if (name == 'b' || name == 'B') {
        at_ += 2;
        return AssertOf(name == 'b' ? kWordEdge : kNoWordEdge);
      }
      Set set;
      TENON_TRY(Escape(&set));
      return SetOf(std::move(set));
    }
    std::size_t size = 0;
    const std::uint32_t point = PointAt(text_, at_, &size);
    at_ += size;
    return SetOf({{point, point}});
  }

  Result<Owned> Group(int depth) {
    ++at_;
    Owned group = NewTree(Tree::Kind::kGroup);
    if (Next('?')) {
      if (!Next(':')) return Wrong("of the groups with (? only (?: is understood,");
    } else {
      group->number = ++made_.groups_;
    }
    TENON_ASSIGN(Owned inside, Either(depth + 1));
    if (!Next(')')) return Wrong("a ')' is missing");
    group->parts.push_back(std::move(inside));
    return group;
  }

  // Past an escape of characters.
  Result<void> Escape(Set* set) {
    ++at_;
    if (!More()) return Wrong("a pattern cannot end with '\\'");
    const char name = text_[at_];
    if (std::string_view("dDwWsS").find(name) != std::string_view::npos) {
      ++at_;
      const Set named = Named(name);
      set->insert(set->end(), named.begin(), named.end());
      return {};
    }
    std::uint32_t point = 0;
    if (name == 'x') {
      for (int i = 1; i <= 2; ++i) {
        const char hex = at_ + static_cast<std::size_t>(i) < text_.size() ? text_[at_ + static_cast<std::size_t>(i)] : '\0';
        const int digit = hex >= '0' && hex <= '9' ? hex - '0' : hex >= 'a' && hex <= 'f' ? hex - 'a' + 10 : hex >= 'A' && hex <= 'F' ? hex - 'A' + 10 : -1;
        if (digit < 0) return Wrong("\\x needs two hexadecimal digits");
        point = point * 16 + static_cast<std::uint32_t>(digit);
      }
      at_ += 3;
    } else if ((name >= '0' && name <= '9') || (name >= 'A' && name <= 'Z') || (name >= 'a' && name <= 'z')) {
      if (name != 'n' && name != 't' && name != 'r' && name != 'f' && name != 'v') return Wrong(Str("'\\", name, "' is not understood,"));
      point = name == 'n' ? '\n' : name == 't' ? '\t' : name == 'r' ? '\r' : name == 'f' ? '\f' : '\v';
      ++at_;
    } else {
      std::size_t size = 0;
      point = PointAt(text_, at_, &size);
      at_ += size;
    }
    set->push_back({point, point});
    return {};
  }

  Result<Owned> Class() {
    ++at_;
    const bool negated = Next('^');
    Set set;
    bool first = true;
    while (first || !Next(']')) {
      if (!More()) return Wrong("a ']' is missing");
      first = false;
      Set low;
      TENON_TRY(Member(&low));
      const bool range = at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']';
      if (range) {
        ++at_;
        Set high;
        TENON_TRY(Member(&high));
        const bool single = low.size() == 1 && high.size() == 1 && low[0].low == low[0].high && high[0].low == high[0].high;
        if (!single || low[0].low > high[0].low) return Wrong("a range goes from a character to a later one,");
        low[0].high = high[0].high;
      }
      set.insert(set.end(), low.begin(), low.end());
    }
    if (fold_) set = Folded(std::move(set));
    return SetOf(negated ? Negated(std::move(set)) : std::move(set));
  }
  Result<void> Member(Set* set) {
    if (text_[at_] == '\\') return Escape(set);
    std::size_t size = 0;
    const std::uint32_t point = PointAt(text_, at_, &size);
    at_ += size;
    set->push_back({point, point});
    return {};
  }
  // With the other case of each ASCII letter.
  static Set Folded(Set set) {
    const std::size_t count = set.size();
    for (std::size_t i = 0; i < count; ++i) {
      const auto also = [&](std::uint32_t from, std::uint32_t to, std::uint32_t shift) {
        const std::uint32_t low = std::max(set[i].low, from);
        const std::uint32_t high = std::min(set[i].high, to);
        if (low <= high) set.push_back({low + shift, high + shift});
      };
      also('a', 'z', static_cast<std::uint32_t>('A' - 'a'));
      also('A', 'Z', 'a' - 'A');
    }
    return set;
  }

  Owned SetOf(Set set) const {
    Owned tree = NewTree(Tree::Kind::kSet);
    tree->set = fold_ ? Folded(std::move(set)) : std::move(set);
    return tree;
  }
  static Owned AssertOf(int which) {
    Owned tree = NewTree(Tree::Kind::kAssert);
    tree->number = which;
    return tree;
  }

  std::int32_t Here() const { return static_cast<std::int32_t>(made_.steps_.size()); }
  std::size_t Push(Pattern::Step step) {
    made_.steps_.push_back(step);
    return made_.steps_.size() - 1;
  }
  void Save(int slot) { Push({Pattern::Step::Kind::kSave, slot}); }
  // `to` comes next, or `other`: in the order of preference.
  void SetSplit(std::size_t at, std::int32_t to, std::int32_t other, bool greedy) {
    made_.steps_[at].x = greedy ? to : other;
    made_.steps_[at].y = greedy ? other : to;
  }

  void Emit(const Tree& tree) {
    using Kind = Pattern::Step::Kind;
    if (made_.steps_.size() > kMostSteps) return;
    switch (tree.kind) {
      case Tree::Kind::kSet:
        Push({Kind::kSet, static_cast<std::int32_t>(made_.sets_.size())});
        made_.sets_.push_back(tree.set);
        break;
      case Tree::Kind::kAssert: Push({Kind::kAssert, tree.number}); break;
      case Tree::Kind::kJoin:
        for (const Owned& part : tree.parts) Emit(*part);
        break;
      case Tree::Kind::kGroup:
        if (tree.number > 0) Save(2 * tree.number);
        Emit(*tree.parts[0]);
        if (tree.number > 0) Save(2 * tree.number + 1);
        break;
      case Tree::Kind::kEither: {
        std::vector<std::size_t> ends;
        for (std::size_t i = 0; i + 1 < tree.parts.size(); ++i) {
          const std::size_t split = Push({Kind::kSplit});
          const std::int32_t first = Here();
          Emit(*tree.parts[i]);
          ends.push_back(Push({Kind::kJump}));
          SetSplit(split, first, Here(), true);
        }
        Emit(*tree.parts.back());
        for (const std::size_t end : ends) made_.steps_[end].x = Here();
        break;
      }
      case Tree::Kind::kRepeat: EmitRepeat(tree); break;
    }
  }
  void EmitRepeat(const Tree& tree) {
    using Kind = Pattern::Step::Kind;
    const Tree& part = *tree.parts[0];
    for (int i = 0; i < tree.least && made_.steps_.size() <= kMostSteps; ++i) Emit(part);
    if (tree.most < 0) {
      const std::size_t split = Push({Kind::kSplit});
      const std::int32_t first = Here();
      Emit(part);
      Push({Kind::kJump, static_cast<std::int32_t>(split)});
      SetSplit(split, first, Here(), tree.greedy);
      return;
    }
    std::vector<std::size_t> splits;
    for (int i = tree.least; i < tree.most && made_.steps_.size() <= kMostSteps; ++i) {
      splits.push_back(Push({Kind::kSplit}));
      Emit(part);
    }
    for (const std::size_t split : splits) SetSplit(split, static_cast<std::int32_t>(split) + 1, Here(), tree.greedy);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool fold_ = false;
  Pattern made_;
};

Result<Pattern> Pattern::Whole(std::string_view text) {
  TENON_TRY(Parse(text));  // so that what is wrong is told of the pattern as it was written
  const bool any_case = text.starts_with("(?i)");
  return Parse(Str(any_case ? "(?i)" : "", "^(?:", text.substr(any_case ? 4 : 0), ")$"));
}

Result<Pattern> Pattern::Parse(std::string_view text) { return PatternMaker(text).Make(); }

namespace {

// One way of matching: where it is in the pattern, and what the group spans so far.
struct Way {
  std::int32_t step;
  std::size_t from, to;
};
constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

// Working memory of a thread: nothing of it outlives a search.
struct Ways {
  std::vector<Way> now, then, stack;
  std::vector<std::size_t> seen;  // the round in which a step was last reached
};

}  // namespace

std::string_view Pattern::Find(std::string_view text, int group) const {
  thread_local Ways ways;
  ways.now.clear();
  ways.then.clear();
  ways.seen.assign(steps_.size(), 0);
  std::size_t round = 0;
  const auto word_at = [&](std::size_t at) { return at < text.size() && IsWord(static_cast<unsigned char>(text[at])); };
  const auto holds = [&](std::int32_t which, std::size_t at) {
    if (which == kStart) return at == 0;
    if (which == kEnd) return at == text.size();
    const bool edge = (at > 0 && word_at(at - 1)) != word_at(at);
    return edge == (which == kWordEdge);
  };
  // Adds the ways that go on from one without taking a character, the preferred first.
  const auto add = [&](std::vector<Way>& to, Way start, std::size_t at) {
    ways.stack.assign(1, start);
    while (!ways.stack.empty()) {
      Way way = ways.stack.back();
      ways.stack.pop_back();
      std::size_t& seen = ways.seen[static_cast<std::size_t>(way.step)];
      if (seen == round) continue;
      seen = round;
      const Step& step = steps_[static_cast<std::size_t>(way.step)];
      switch (step.kind) {
        case Step::Kind::kSet:
        case Step::Kind::kMatch: to.push_back(way); break;
        case Step::Kind::kJump: ways.stack.push_back({step.x, way.from, way.to}); break;
        case Step::Kind::kSplit:
          ways.stack.push_back({step.y, way.from, way.to});
          ways.stack.push_back({step.x, way.from, way.to});
          break;
        case Step::Kind::kSave:
          if (step.x == 2 * group) way.from = at;
          if (step.x == 2 * group + 1) way.to = at;
          ways.stack.push_back({way.step + 1, way.from, way.to});
          break;
        case Step::Kind::kAssert:
          if (holds(step.x, at)) ways.stack.push_back({way.step + 1, way.from, way.to});
          break;
      }
    }
  };
  bool matched = false;
  Way best{0, kNowhere, kNowhere};
  ++round;
  for (std::size_t at = 0;; ) {
    if (!matched) add(ways.now, {0, kNowhere, kNowhere}, at);
    if (ways.now.empty()) {
      if (matched || at >= text.size()) break;
    }
    std::size_t size = 1;
    const std::uint32_t point = at < text.size() ? PointAt(text, at, &size) : 0;
    ++round;
    for (const Way& way : ways.now) {
      const Step& step = steps_[static_cast<std::size_t>(way.step)];
      if (step.kind == Step::Kind::kMatch) {
        matched = true;
        best = way;
        break;  // the others are less preferred
      }
      if (at >= text.size()) continue;
      for (const Span& span : sets_[static_cast<std::size_t>(step.x)]) {
        if (point < span.low || point > span.high) continue;
        add(ways.then, {way.step + 1, way.from, way.to}, at + size);
        break;
      }
    }
    ways.now.swap(ways.then);
    ways.then.clear();
    if (at >= text.size()) break;
    at += size;
  }
  if (!matched || best.from == kNowhere || best.to == kNowhere) return {};
  // A group that took part in an earlier turn of a loop may have begun again without ending.
  return best.to < best.from ? std::string_view() : std::string_view(text.data() + best.from, best.to - best.from);
}

}  // namespace tenon::table

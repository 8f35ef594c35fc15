#include "ingest/csv_internal.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"

namespace tenon::ingest {
namespace {

constexpr std::size_t kSampleRows = 200;
constexpr std::size_t kSampleBytes = 1 << 20;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// The first rows under a format; what is cut off by the end of the sample is left out.
std::vector<std::vector<std::string>> Sample(std::string_view text, const CsvFormat& format, bool* broken) {
  const bool cut = text.size() > kSampleBytes;
  CsvScanner scanner(text.substr(0, kSampleBytes), format, "");
  std::vector<std::vector<std::string>> rows;
  std::vector<Cell> cells;
  while (rows.size() < kSampleRows) {
    auto more = scanner.Next(&cells);
    if (!more.ok()) *broken = !cut || rows.empty();
    if (!more.ok() || !*more) {
      if (cut && rows.size() > 1) rows.pop_back();
      break;
    }
    rows.emplace_back();
    for (const Cell& cell : cells) rows.back().emplace_back(cell.text);
  }
  return rows;
}

}  // namespace

CsvScanner::CsvScanner(std::string_view text, CsvFormat format, std::string path)
    : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()), format_(std::move(format)), path_(std::move(path)) {}

std::string CsvScanner::Place(std::int64_t line) const { return path_.empty() ? std::string() : Str(path_, ":", line, ": "); }

void CsvScanner::EatLineEnd() {
  if (at_ == end_) return;
  const char first = *at_++;
  if (first == '\r' && at_ < end_ && *at_ == '\n') ++at_;
  ++line_;
}

void CsvScanner::EatBlanks() {
  while (at_ < end_ && IsBlank(*at_) && (format_.blanks || *at_ != format_.separator)) ++at_;
}

void CsvScanner::SkipLines(std::int64_t count) {
  for (; count > 0 && at_ < end_; --count) {
    while (!AtLineEnd()) ++at_;
    EatLineEnd();
  }
}

// Lines that are no rows. False at the end of the text.
bool CsvScanner::EatNothingness() {
  while (at_ < end_) {
    const char* begin = at_;
    EatBlanks();
    const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
    if (!format_.comment.empty() && rest.starts_with(format_.comment)) {
      while (!AtLineEnd()) ++at_;
    } else if (!AtLineEnd()) {
      at_ = begin;
      return true;
    }
    EatLineEnd();
  }
  return false;
}

Result<bool> CsvScanner::Next(std::vector<Cell>* cells) {
  cells->clear();
  used_ = 0;
  if (!EatNothingness()) return false;
  row_line_ = line_;
  row_at_ = at();
  while (true) {
    if (format_.blanks) EatBlanks();
    const char* begin = at_;
    EatBlanks();
    if (format_.quote != '\0' && at_ < end_ && *at_ == format_.quote) {
      TENON_ASSIGN(Cell cell, QuotedCell());
      cells->push_back(cell);
    } else {
      at_ = begin;
      cells->push_back(PlainCell());
    }
    if (format_.blanks) {
      EatBlanks();
      if (!AtLineEnd()) continue;
    } else if (!AtLineEnd()) {
      ++at_;  // the separator
      continue;
    }
    EatLineEnd();
    return true;
  }
}

std::string* CsvScanner::Undone() {
  if (used_ == unquoted_.size()) unquoted_.emplace_back();
  std::string* out = &unquoted_[used_++];
  out->clear();
  return out;
}

// A value outside quotes that may have escapes in it.
Cell CsvScanner::EscapedCell() {
  const char* begin = at_;
  std::string* undone = nullptr;
  const auto ends = [&] { return AtLineEnd() || (format_.blanks ? IsBlank(*at_) : *at_ == format_.separator); };
  for (; !ends(); ++at_) {
    if (*at_ != format_.escape || at_ + 1 == end_) continue;
    if (at_ == begin && undone == nullptr && at_[1] == 'N') {
      at_ += 2;
      if (ends()) return {.missing = true};
      at_ -= 2;
    }
    if (undone == nullptr) undone = Undone();
    undone->append(begin, at_);
    begin = ++at_;  // and the character behind it is taken as it is
    if (*at_ == '\n') ++line_;
  }
  const std::string_view rest(begin, static_cast<std::size_t>(at_ - begin));
  if (undone == nullptr) return {.text = rest};
  undone->append(rest);
  return {.text = *undone};
}

Cell CsvScanner::PlainCell() {
  if (format_.escape != '\0') return EscapedCell();
  const char* begin = at_;
  if (format_.blanks) {
    while (!AtLineEnd() && !IsBlank(*at_)) ++at_;
  } else {
    const char separator = format_.separator;
    while (at_ < end_ && *at_ != separator && *at_ != '\n' && *at_ != '\r') ++at_;
  }
  return {.text = {begin, static_cast<std::size_t>(at_ - begin)}};
}

Result<Cell> CsvScanner::QuotedCell() {
  const std::int64_t opened = line_;
  const char* begin = ++at_;
  std::string* undone = nullptr;
  while (true) {
    while (at_ < end_ && *at_ != format_.quote) {
      if (format_.escape != '\0' && *at_ == format_.escape && at_ + 1 < end_) {
        if (undone == nullptr) undone = Undone();
        undone->append(begin, at_);
        begin = ++at_;
      }
      if (*at_ == '\n' || (*at_ == '\r' && (at_ + 1 == end_ || at_[1] != '\n'))) ++line_;
      ++at_;
    }
    if (at_ == end_) {
      return Error(Code::kInvalidArgument,
                   Str(Place(opened), "the quote before ",
                       Quoted({begin, std::min<std::size_t>(20, static_cast<std::size_t>(end_ - begin))}),
                       " is never closed; write `quote: \"\"` when quotes are ordinary characters"));
    }
    if (at_ + 1 < end_ && at_[1] == format_.quote) {
      if (undone == nullptr) undone = Undone();
      undone->append(begin, at_ + 1);
      at_ += 2;
      begin = at_;
      continue;
    }
    break;
  }
  Cell cell{.text = {begin, static_cast<std::size_t>(at_ - begin)}, .exact = true};
  if (undone != nullptr) {
    undone->append(cell.text);
    cell.text = *undone;
  }
  ++at_;
  const char* behind = at_;
  EatBlanks();
  const bool ends = AtLineEnd() || (format_.blanks ? at_ > behind : *at_ == format_.separator);
  if (ends) return cell;
  const char* rest = at_;
  while (!AtLineEnd()) ++at_;
  return Error(Code::kInvalidArgument,
               Str(Place(line_), Quoted({rest, static_cast<std::size_t>(at_ - rest)}), " stands behind the quote that closes ",
                   Quoted(cell.text), "; quotes inside a value are doubled, and `quote: \"\"` makes them ordinary"));
}

CsvFormat GuessFormat(std::string_view text, const CsvFormat& given, bool tabs_first, bool blanks_too) {
  struct Candidate {
    char separator;
    bool blanks;
  };
  std::vector<Candidate> candidates = {{',', false}, {';', false}, {'\t', false}, {'|', false}};
  if (tabs_first) std::swap(candidates[0], candidates[2]);
  if (blanks_too) candidates.push_back({' ', true});
  CsvFormat best = given;
  best.separator = candidates[0].separator;
  double best_score = 0;
  for (const Candidate& candidate : candidates) {
    CsvFormat format = given;
    format.separator = candidate.separator;
    format.blanks = candidate.blanks;
    bool broken = false;
    const auto rows = Sample(text, format, &broken);
    if (rows.empty()) continue;
    std::map<std::size_t, std::size_t> counts;
    for (const auto& row : rows) ++counts[row.size()];
    const auto usual = std::ranges::max_element(counts, {}, [](const auto& item) { return item.second; });
    if (usual->first < 2) continue;
    // Agreement decides; among those that agree alike the earlier one does, unless a later one parts into more.
    const double agreement = static_cast<double>(usual->second) / static_cast<double>(rows.size());
    const double score = (broken ? 0.5 : 1.0) * agreement * agreement + 1e-4 * std::min<double>(20, static_cast<double>(usual->first));
    // Blanks separate only where nothing else does.
    if (candidate.blanks && (agreement < 1 || best_score > 0.9)) continue;
    if (score > best_score) {
      best_score = score;
      best = format;
    }
  }
  return best;
}

bool GuessEscape(std::string_view text, const CsvFormat& format) {
  const std::string before = {'\\', format.quote};
  if (format.quote == '\0' || text.substr(0, kSampleBytes).find(before) == std::string_view::npos) return false;
  bool broken = false, broken_too = false;
  CsvFormat escaped = format;
  escaped.escape = '\\';
  Sample(text, format, &broken);
  if (!broken) return false;
  Sample(text, escaped, &broken_too);
  return !broken_too;
}

NumberForm GuessNumbers(std::string_view text, const CsvFormat& format) {
  bool broken = false;
  NumberForm out = GuessNumberForm(Sample(text, format, &broken), format.blanks ? ' ' : format.separator);
  out.guessed = true;
  out.commas_part = !format.blanks && format.separator == ',';
  return out;
}

bool GuessHeader(std::string_view text, const CsvFormat& format, const std::vector<std::string>& columns,
                 const std::vector<std::string>& missing) {
  bool broken = false;
  const auto rows = Sample(text, format, &broken);
  if (rows.empty()) return false;
  const auto look = [&](const std::string& value) { return LookOf(Cell{.text = value}, missing, format.numbers); };
  std::vector<std::string> first = rows[0];
  for (std::string& name : first) name = std::string(Trim(name));
  if (first == columns) return true;
  for (const std::string& name : first) {
    const Look is = look(name);
    if (is != Look::kText && !(is == Look::kMissing && name.empty())) return false;
  }
  // Something under a name that is no text settles it.
  for (std::size_t column = 0; column < first.size(); ++column) {
    std::size_t values = 0, texts = 0;
    for (std::size_t row = 1; row < rows.size(); ++row) {
      if (column >= rows[row].size()) continue;
      const Look is = look(rows[row][column]);
      values += is == Look::kMissing ? 0 : 1;
      texts += is == Look::kText ? 1 : 0;
    }
    if (values > 0 && texts == 0) return true;
  }
  // Nothing but texts. Names given for the columns say that the file has none; names are all different, and a value
  // tends to come again.
  if (!columns.empty()) return false;
  std::set<std::string> distinct(first.begin(), first.end());
  if (distinct.size() != first.size()) return false;
  for (std::size_t row = 1; row < rows.size(); ++row) {
    for (std::size_t column = 0; column < std::min(first.size(), rows[row].size()); ++column) {
      if (Trim(rows[row][column]) == first[column]) return false;
    }
  }
  return true;
}

}  // namespace tenon::ingest

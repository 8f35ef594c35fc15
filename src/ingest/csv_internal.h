#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/records_internal.h"

namespace tenon::ingest {

// How the values of a file of separated values stand beside each other.
struct CsvFormat {
  char separator = ',';
  bool blanks = false;   // runs of blanks and tabs separate, instead of `separator`
  char quote = '"';      // '\0': quotes are ordinary characters
  std::string comment;   // lines that begin with it are no rows; empty: none
  char escape = '\0';    // makes the character behind it an ordinary one; \N alone stands for no value. '\0': none
  NumberForm numbers;
};

// Parts a text into rows and values (RFC 4180, and what is found besides: blanks around quotes, line ends of three kinds,
// empty lines, comments). Borrows the text. One thread.
class CsvScanner {
 public:
  // Without a path errors do not say the place.
  CsvScanner(std::string_view text, CsvFormat format, std::string path);
  // The values of the next row that is no comment and not blank; false at the end. invalid_argument for a quote that is
  // not closed, or closed before its value's end.
  Result<bool> Next(std::vector<Cell>* cells);
  std::int64_t line() const { return row_line_; }  // of the last row, from 1
  std::int64_t lines() const { return line_ - 1; } // that were read to their end
  std::size_t row_at() const { return row_at_; }   // where the last row begins
  std::size_t at() const { return static_cast<std::size_t>(at_ - begin_); }
  void SkipLines(std::int64_t count);

 private:
  bool AtLineEnd() const { return at_ == end_ || *at_ == '\n' || *at_ == '\r'; }
  void EatLineEnd();
  void EatBlanks();
  bool EatNothingness();
  Result<Cell> QuotedCell();
  Cell PlainCell();
  Cell EscapedCell();
  std::string* Undone();

  std::string Place(std::int64_t line) const;

  const char* begin_;
  const char* at_;
  const char* end_;
  CsvFormat format_;
  std::string path_;
  std::int64_t line_ = 1;
  std::int64_t row_line_ = 0;
  std::size_t row_at_ = 0;
  std::deque<std::string> unquoted_;  // values of this row whose doubled quotes were undone
  std::size_t used_ = 0;
};

// The separator under which the first rows have equally many values, and most. `tabs_first` for names ending in .tsv;
// `blanks_too` for names that do not promise commas.
CsvFormat GuessFormat(std::string_view text, const CsvFormat& given, bool tabs_first, bool blanks_too);

// Whether a backslash stands before quotes in the first rows, which cannot be parted otherwise.
bool GuessEscape(std::string_view text, const CsvFormat& format);
// By the first rows, whose separator is known.
NumberForm GuessNumbers(std::string_view text, const CsvFormat& format);

// Whether the first row holds names: no numbers in it, and below it something else than in it.
bool GuessHeader(std::string_view text, const CsvFormat& format, const std::vector<std::string>& columns,
                 const std::vector<std::string>& missing);

// A file of values in UTF-8 whose format and names are known.
struct CsvFile {
  std::string path;
  std::shared_ptr<const platform::Bytes> bytes;
  CsvFormat format;
  std::vector<std::string> names;
  std::uint64_t begin = 0;        // of the first row
  std::int64_t lines_before = 0;  // that one
};
// Errors: invalid_argument for a type in spec.types that is none, or of a column that is not there.
Result<std::unique_ptr<Pieces>> MakeCsvPieces(CsvFile file, const SourceSpec& spec);

}  // namespace tenon::ingest

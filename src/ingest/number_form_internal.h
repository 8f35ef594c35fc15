#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::ingest {

// How numbers are written in a file of text.
struct NumberForm {
  char decimal = '.';      // before the fraction
  char thousands = '\0';   // between groups of three digits; '\0': nowhere
  bool guessed = false;    // by the first rows
  bool commas_part = false;  // values from each other, so that 1,5 in quotes is as likely two of them
  bool plain() const { return decimal == '.' && thousands == '\0'; }
};

// The text as numbers are written elsewhere: 1.234,5 becomes 1234.5. What is no number stays one that is none, or is nothing: marks that do
// not stand between groups of three, a point where a comma is expected. Into `buffer`, unless the form is plain.
std::optional<std::string_view> Plain(const NumberForm& form, std::string_view text, std::string* buffer);

// What the first rows of a file look like: 1,5 or 1.234,50 says decimal commas, where commas do not separate the values and no number has a
// decimal point; 1,234.50 says commas between thousands. What may be both, as 1,234, says nothing.
NumberForm GuessNumberForm(const std::vector<std::vector<std::string>>& rows, char separator);

// Whether a text is a number in another form, beyond doubt, where the form was guessed: 1.234,5 where points were seen, 1234.5 where commas were.
bool OtherForm(const NumberForm& form, std::string_view text);
// What to write when it is: "`decimal: \",\"`...".
std::string WayOut(const NumberForm& form);

// From settings; "" and "auto" are the usual form.
Result<NumberForm> MadeNumberForm(std::string_view decimal, std::string_view thousands);

}  // namespace tenon::ingest

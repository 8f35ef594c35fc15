// Personal data by form and by name. Check digits: IBAN ISO 13616 (modulo 97), cards Luhn (ISO/IEC 7812), German tax number
// ISO 7064 MOD 11,10, Polish PESEL, Brazilian CPF, Dutch BSN, Spanish DNI, French NIR, as their issuers publish them.

#include "validate/personal_internal.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <vector>

#include "base/text.h"

namespace tenon::validate {
namespace {

bool Digit(char c) { return c >= '0' && c <= '9'; }
bool Letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
int Value(char c) { return c - '0'; }
bool AllDigits(std::string_view text) { return !text.empty() && std::ranges::all_of(text, Digit); }
// Without blanks, hyphens, dots, slashes and brackets.
std::string Bare(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '-' && c != '.' && c != '/' && c != '(' && c != ')') out += c;
  }
  return out;
}

bool IsEmail(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at > 64 || text.find('@', at + 1) != std::string_view::npos) return false;
  const std::string_view domain = text.substr(at + 1);
  const std::size_t dot = domain.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || domain.size() - dot < 3 || domain.find("..") != std::string_view::npos) return false;
  const auto plain = [](char c) { return Digit(c) || Letter(c) || c == '.' || c == '-' || c == '_' || c == '+' || c == '%' || c == '\''; };
  return std::ranges::all_of(text.substr(0, at), plain) && std::ranges::all_of(domain, [](char c) { return Digit(c) || Letter(c) || c == '.' || c == '-'; }) &&
         std::ranges::all_of(domain.substr(dot + 1), Letter);
}

bool IsIban(std::string_view text) {
  std::string bare = Bare(text);
  if (bare.size() < 15 || bare.size() > 34 || !Letter(bare[0]) || !Letter(bare[1]) || !Digit(bare[2]) || !Digit(bare[3])) return false;
  std::rotate(bare.begin(), bare.begin() + 4, bare.end());
  int rest = 0;
  for (const char c : bare) {
    if (Digit(c)) {
      rest = (rest * 10 + Value(c)) % 97;
    } else if (Letter(c)) {
      rest = (rest * 100 + 10 + std::toupper(c) - 'A') % 97;
    } else {
      return false;
    }
  }
  return rest == 1;
}

bool Luhn(std::string_view digits) {
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    int d = Value(digits[digits.size() - 1 - i]);
    if (i % 2 == 1) d = 2 * d > 9 ? 2 * d - 9 : 2 * d;
    sum += d;
  }
  return sum % 10 == 0;
}

// Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay.
bool IsCard(std::string_view text) {
  const std::string bare = Bare(text);
  if (bare.size() < 13 || bare.size() > 19 || !AllDigits(bare) || !Luhn(bare)) return false;
  const int two = Value(bare[0]) * 10 + Value(bare[1]);
  const int four = two * 100 + Value(bare[2]) * 10 + Value(bare[3]);
  const bool known = (bare[0] == '4' && (bare.size() == 13 || bare.size() == 16 || bare.size() == 19)) ||
                     (((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) && bare.size() == 16) || ((two == 34 || two == 37) && bare.size() == 15) ||
                     ((four == 6011 || two == 65 || two == 62 || (four >= 3528 && four <= 3589)) && bare.size() >= 16) || ((two == 36 || two == 38) && bare.size() == 14);
  return known && std::ranges::any_of(bare, [&](char c) { return c != bare[0]; });
}

bool IsIp(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {  // IPv6: groups of up to four hexadecimal digits, one gap
    int groups = 0;
    int gaps = 0;
    for (const std::string& part : Split(text, ':')) {
      if (part.empty()) {
        ++gaps;
      } else if (part.size() > 4 || !std::ranges::all_of(part, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; })) {
        return false;
      } else {
        ++groups;
      }
    }
    return text.size() > 6 && ((groups == 8 && gaps == 0) || (groups >= 2 && groups < 8 && text.find("::") != std::string_view::npos));
  }
  const std::vector<std::string> parts = Split(text, '.');
  return parts.size() == 4 && std::ranges::all_of(parts, [](const std::string& part) {
           return AllDigits(part) && part.size() <= 3 && (part.size() == 1 || part[0] != '0') && std::stoi(part) <= 255;
         });
}

bool IsPhone(std::string_view text) {
  const bool international = text.starts_with("+") || text.starts_with("00");
  const std::string bare = Bare(text.starts_with("+") ? text.substr(1) : text);
  if (!AllDigits(bare) || bare.size() < 8 || bare.size() > 15) return false;
  if (international) return true;
  // National ones are only told from other numbers by how they are written: (555) 123-4567, 555-123-4567.
  const bool bracket = text.starts_with("(") && text.find(')') != std::string_view::npos;
  const bool hyphens = bare.size() == 10 && text.size() == 12 && text[3] == text[7] && (text[3] == '-' || text[3] == '.' || text[3] == ' ');
  return bracket || hyphens;
}

bool Weighted(std::string_view digits, std::initializer_list<int> weights, int modulus, int rest) {
  int sum = 0;
  std::size_t i = 0;
  for (const int weight : weights) sum += weight * Value(digits[i++]);
  return ((sum % modulus) + modulus) % modulus == rest;
}

bool IsCpf(std::string_view d) {
  if (std::ranges::all_of(d, [&](char c) { return c == d[0]; })) return false;
  const auto check = [&](std::size_t size) {
    int sum = 0;
    for (std::size_t i = 0; i < size; ++i) sum += Value(d[i]) * static_cast<int>(size + 1 - i);
    return (sum * 10) % 11 % 10 == Value(d[size]);
  };
  return check(9) && check(10);
}

bool IsGermanTax(std::string_view d) {
  if (d[0] == '0') return false;
  int product = 10;
  for (std::size_t i = 0; i < 10; ++i) {
    int sum = (Value(d[i]) + product) % 10;
    if (sum == 0) sum = 10;
    product = 2 * sum % 11;
  }
  return (11 - product) % 10 == Value(d[10]);
}

bool IsPesel(std::string_view d) {
  const int month = Value(d[2]) * 10 + Value(d[3]);
  const int day = Value(d[4]) * 10 + Value(d[5]);
  return month % 20 >= 1 && month % 20 <= 12 && day >= 1 && day <= 31 && Weighted(d, {1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1}, 10, 0);
}

std::string_view National(std::string_view text) {
  const std::string bare = Bare(text);
  if (text.size() == 11 && text[3] == '-' && text[6] == '-' && bare.size() == 9 && AllDigits(bare)) {
    const std::string_view area = std::string_view(bare).substr(0, 3);
    const bool given = area != "000" && area != "666" && bare[0] != '9' && bare.substr(3, 2) != "00" && bare.substr(5) != "0000";
    if (given) return "US social security number";
  }
  if (bare.size() == 9 && Letter(bare[0]) && Letter(bare[1]) && AllDigits(bare.substr(2, 6)) && bare[8] >= 'A' && bare[8] <= 'D' &&
      std::string_view("DFIQUV").find(bare[0]) == std::string_view::npos && std::string_view("DFIQUVO").find(bare[1]) == std::string_view::npos) {
    return "UK national insurance number";
  }
  if (bare.size() == 9 && Letter(bare[8]) && (Digit(bare[0]) || bare[0] == 'X' || bare[0] == 'Y' || bare[0] == 'Z') && AllDigits(bare.substr(1, 7))) {
    std::string number = bare.substr(0, 8);
    if (!Digit(number[0])) number[0] = static_cast<char>('0' + (number[0] - 'X'));
    if (std::string_view("TRWAGMYFPDXBNJZSQVHLCKE")[static_cast<std::size_t>(std::stol(number) % 23)] == std::toupper(bare[8])) return "Spanish identity number";
  }
  if (!AllDigits(bare)) return "";
  if (bare.size() == 15 && (bare[0] == '1' || bare[0] == '2') && 97 - std::stoll(bare.substr(0, 13)) % 97 == std::stoll(bare.substr(13))) return "French social security number";
  if (bare.size() == 11) {
    if (IsCpf(bare)) return "Brazilian tax number";
    if (!AllDigits(text)) return "";
    if (IsPesel(bare)) return "Polish identity number";
    if (IsGermanTax(bare)) return "German tax number";
  }
  if (AllDigits(text) && bare.size() == 9 && bare[0] != '0' && Weighted(bare, {9, 8, 7, 6, 5, 4, 3, 2, -1}, 11, 0)) return "Dutch citizen number";
  return "";
}

}  // namespace

std::string_view PersonalKindOf(std::string_view text) {
  text = Trim(text);
  if (text.size() < 7 || text.size() > 80) return "";
  if (IsEmail(text)) return "e-mail address";
  if (IsIp(text)) return "IP address";
  if (IsIban(text)) return "IBAN";
  if (IsCard(text)) return "card number";
  if (const std::string_view national = National(text); !national.empty()) return national;
  if (IsPhone(text)) return "telephone number";
  return "";
}

bool IsWeak(std::string_view kind) {
  static constexpr std::array<std::string_view, 6> kWeak = {"Brazilian tax number", "Polish identity number", "German tax number",
                                                            "Dutch citizen number", "telephone number", "card number"};
  return std::ranges::find(kWeak, kind) != kWeak.end();
}

std::string_view PersonalKindOfName(std::string_view column) {
  // Whole words of the name: first_name, FirstName and "first name" are two.
  std::string words = " ";
  for (std::size_t i = 0; i < column.size(); ++i) {
    const char c = column[i];
    const bool starts = i > 0 && c >= 'A' && c <= 'Z' && column[i - 1] >= 'a' && column[i - 1] <= 'z';
    if (starts) words += ' ';
    words += Letter(c) ? static_cast<char>(std::tolower(c)) : ' ';
  }
  words += ' ';
  struct Name {
    std::string_view word, kind;
  };
  static constexpr std::array<Name, 24> kNames = {{
      {" email ", "e-mail address"}, {" e mail ", "e-mail address"}, {" mail address ", "e-mail address"}, {" phone ", "telephone number"},
      {" telephone ", "telephone number"}, {" mobile ", "telephone number"}, {" first name ", "name"}, {" last name ", "name"}, {" surname ", "name"},
      {" full name ", "name"}, {" firstname ", "name"}, {" lastname ", "name"}, {" maiden name ", "name"}, {" birth date ", "date of birth"},
      {" birthdate ", "date of birth"}, {" date of birth ", "date of birth"}, {" dob ", "date of birth"}, {" street ", "address"}, {" street address ", "address"},
      {" home address ", "address"}, {" ssn ", "social security number"}, {" passport ", "passport number"}, {" iban ", "IBAN"}, {" ip address ", "IP address"},
  }};
  for (const Name& name : kNames) {
    if (words.find(name.word) != std::string::npos) return name.kind;
  }
  return "";
}

}  // namespace tenon::validate

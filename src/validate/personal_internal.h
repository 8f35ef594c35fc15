#pragma once

#include <string_view>

namespace tenon::validate {

// What of a person a text is by its form: "e-mail address", "IBAN", "card number", "IP address", "telephone number", "US social security
// number" and other national numbers; "" for none. Check digits are checked where there are any, so that few numbers are
// taken for what they are not. Blanks around it do not count.
std::string_view PersonalKindOf(std::string_view text);

// Whether a check digit alone keeps a run of digits from being any number: then one match says little and a column must
// match nearly throughout.
bool IsWeak(std::string_view kind);

// What of a person a column is by its name: "e-mail address" of customer_email, "name" of last_name; "" for none.
std::string_view PersonalKindOfName(std::string_view column);

}  // namespace tenon::validate

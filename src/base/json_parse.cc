// Reads JSON text into the tree. nlohmann/json does the grammar, numbers and UTF-8; places, doubles and depth are ours.

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"

namespace tenon {
namespace {

constexpr std::size_t kMostDepth = 200;

Json::Place PlaceOf(std::string_view text, std::size_t offset) {
  Json::Place place{1, 1};
  for (char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else {
      ++place.column;
    }
  }
  return place;
}

class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(std::string_view text) : text_(text) {}

  bool null() override { return Put(Json()); }
  bool boolean(bool value) override { return Put(Json(value)); }
  bool number_integer(number_integer_t value) override { return Put(Json(static_cast<long long>(value))); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) return Put(Json(static_cast<double>(value)));
    return Put(Json(static_cast<long long>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override { return Put(Json(value)); }
  bool string(string_t& value) override { return Put(Json(std::move(value))); }
  bool binary(binary_t&) override { return Fail("binary values are not JSON"); }
  bool start_object(std::size_t) override { return Open(Json::MakeObject()); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(Json::MakeArray()); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override {
    if (open_.back().Find(value) != nullptr) return Fail(Str("the key '", value, "' stands twice"));
    keys_.back() = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    offset_ = position == 0 ? 0 : position - 1;
    std::string_view what = error.what();
    if (auto at = what.rfind("syntax error"); at != std::string_view::npos) what.remove_prefix(at);
    problem_ = std::string(what);
    return false;
  }

  Json root;
  std::string problem_;
  std::size_t offset_ = std::string_view::npos;

 private:
  bool Fail(std::string what) {
    problem_ = std::move(what);
    return false;
  }
  bool Open(Json value) {
    if (open_.size() >= kMostDepth) return Fail(Str("nested deeper than ", kMostDepth, " levels"));
    open_.push_back(std::move(value));
    keys_.emplace_back();
    return true;
  }
  bool Close() {
    Json value = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return Put(std::move(value));
  }
  bool Put(Json value) {
    if (open_.empty()) {
      root = std::move(value);
    } else if (open_.back().is_array()) {
      open_.back().Push(std::move(value));
    } else {
      open_.back().object().emplace_back(keys_.back(), std::move(value));
    }
    return true;
  }

  std::string_view text_;
  std::vector<Json> open_;
  std::vector<std::string> keys_;
};

}  // namespace

Result<Json> Json::Parse(std::string_view text, std::string_view name) {
  Builder builder(text);
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return std::move(builder.root);
  if (builder.offset_ == std::string_view::npos) return Error(Code::kInvalidArgument, Str(name, ": ", builder.problem_));
  const Place place = PlaceOf(text, builder.offset_);
  return Error(Code::kInvalidArgument, Str(name, ":", place.line, ":", place.column, ": not JSON: ", builder.problem_));
}

}  // namespace tenon

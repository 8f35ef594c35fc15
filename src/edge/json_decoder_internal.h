#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "serve/session.h"

namespace tenon::edge {

// Reads {"instances":[{...}, ...]} straight from a request's bytes into a version's slots: one pass, no tree. An
// instance is an object by field name, or a list in the order of the fields; of a version with one field, its value alone.
// Beside it there may be "parameters" (empty: no model here has any) and "signature_name" ("serving_default"), which clients of
// other makers send. Behind the body there are at least 64 readable bytes. One thread; its memory is used again.
class JsonDecoder {
 public:
  JsonDecoder();
  ~JsonDecoder();

  // Calls `each` after every instance without errors. True when the whole body was read and was such a request, maybe
  // with errors in reader.errors(); else problem() says what is wrong with it.
  bool ReadInstances(std::string_view body, serve::RowReader& reader, const std::function<void()>& each);
  // The same of a body that is one instance.
  bool ReadInstance(std::string_view body, serve::RowReader& reader, const std::function<void()>& each);
  // Whether the last request came to "inputs", where rows stand column by column, instead of "instances": read it by
  // OipJsonReader::ReadColumns.
  bool has_inputs() const { return has_inputs_; }
  const std::string& problem() const { return problem_; }

 private:
  struct State;
  bool Read(std::string_view body, serve::RowReader& reader, const std::function<void()>& each, bool alone);
  std::unique_ptr<State> state_;
  std::string problem_;
  bool has_inputs_ = false;
};

}  // namespace tenon::edge

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tenon::pipeline {

// A member of a project file that is to be set: validate, columns, state, domain. With `append` the value is put at the end of the list
// that is there (unless it is in it).
struct ProjectEdit {
  std::vector<std::string> path;
  Json value;
  bool append = false;
};

// The text of a project file with the member set: everything else, comments and blank lines too, stays as it is written. What
// comes out is read again and compared, so that nothing else changed. Errors: failed_precondition that says what to
// write by hand when the text is written in a way that this does not know how to edit.
Result<std::string> EditProject(std::string_view text, std::string_view file, const ProjectEdit& edit);

}  // namespace tenon::pipeline

#pragma once

#include <string>
#include <vector>

#include "frame/problem.h"
#include "table/batch.h"

namespace tenon::app {

// What a new project file is written from.
struct NewProject {
  std::string name;
  std::string data;              // path as it stands in the file
  std::string label;
  frame::ProblemCard card;
  table::Schema schema;
  std::vector<std::string> data_settings;   // more lines of the chapter data, such as "time: at"
  std::string split;                        // "" : the default
  std::string extra;                        // chapters appended as they are
  std::string question;
  std::string key, time;                    // columns that look as if they identified or dated a row; "": none
};

// A complete project file, each setting with its default and a comment that says what it does. Parses as a project.
std::string ProjectFileText(const NewProject& project);

}  // namespace tenon::app

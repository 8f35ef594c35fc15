// Labels beside the inference log: whatever a line holds, those that are read are whole, and what is added later is read too.

#include "fuzz/target.h"
#include "platform/memory_files.h"
#include "serve/feedback.h"

namespace tenon::fuzz {
namespace {

void RunFeedback(std::string_view input) {
  platform::MemoryFiles files;
  Must(files.MakeFolders("log"), "a folder");
  Must(files.Write("log/loan-1.labels", input), "a file");
  std::vector<serve::Feedback> read;
  const auto all = [&] {
    read.clear();
    return serve::ReadFeedback(files, "log", "loan", 0, [&](serve::Feedback one) { read.push_back(std::move(one)); });
  };
  if (auto done = all(); !done.ok()) return CheckError(done.error());
  const std::size_t before = read.size();
  for (const serve::Feedback& one : read) Hold(one.instance >= 0, "instances are numbered from 0");
  serve::FeedbackLog log(files, "log");
  Must(log.Add("loan", {.at = 5, .request_id = "r", .instance = 2, .label = "yes"}), "a label");
  Must(log.Sync(), "labels are written");
  Must(all(), "what could be read before");
  Hold(read.size() == before + 1 && read.back().request_id == "r" && read.back().label == "yes" && read.back().instance == 2, "what was added is read");
}

std::vector<std::string> Seeds() {
  platform::MemoryFiles files;
  Must(files.MakeFolders("log"), "a folder");
  serve::FeedbackLog log(files, "log");
  Must(log.Add("loan", {.at = 1, .request_id = "a-1", .instance = 0, .label = "yes"}), "a label");
  Must(log.Add("loan", {.at = 2, .request_id = "b\"\n", .instance = 7, .label = "0.5"}), "a label");
  Must(log.Sync(), "labels are written");
  std::vector<std::string> seeds = {"", "{\"at\":1}\n{"};
  for (const std::string& file : files.AllFiles()) seeds.push_back(Must(files.Read(file), "a file"));
  return seeds;
}

}  // namespace

Target MakeFeedback() { return {RunFeedback, Seeds}; }

}  // namespace tenon::fuzz

#pragma once

#include <string>
#include <vector>

#include "bench/native/worker.h"

// Other libraries' forests, each opened from the file it is told, on the same rows. Cases as Shapes makes them.
namespace tenon::bench {

// What all sides are asked: a row, and batches, taken in turn from `rows` (row-major, `features` wide).
struct ForestWork {
  std::vector<float> rows;
  std::int64_t features = 0;
  std::int64_t count() const { return static_cast<std::int64_t>(rows.size()) / features; }
};

// Margins of rows [from, from + n) into out.
using MarginOf = std::function<Result<void>(std::int64_t from, std::int64_t n, float* out)>;
// Contributions of rows [from, from + n): features + 1 numbers a row.
using ContributionsOf = std::function<Result<void>(std::int64_t from, std::int64_t n, std::vector<double>* out)>;

std::vector<Case> MarginCases(const ForestWork& work, const MarginOf& margin);
std::vector<Case> ContributionCases(const ForestWork& work, const ContributionsOf& contributions);

struct Side {
  std::string version;
  std::vector<Case> cases;
};

// `library` is the path of libxgboost.so; what = "margins" or "contributions".
Result<Side> XgboostSide(const std::string& library, const std::string& folder, const ForestWork& work, const std::string& what);
// Trains and saves FOLDER/model.json, and writes FOLDER/rows.f32 and FOLDER/meta.json.
Result<void> TrainForest(const std::string& library, const std::string& folder, int trees, int depth, int features, bool missing);
Result<Side> OnnxSide(const std::string& library, const std::string& folder, const ForestWork& work);
// A library compiled from the model by tl2cgen.
Result<Side> CompiledSide(const std::string& library, const ForestWork& work);

}  // namespace tenon::bench

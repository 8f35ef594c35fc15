#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pipeline/online.h"

namespace tenon::pipeline {

struct FeastReply;

// How an answer is written. docs/formats/feature-answers.md.
enum class FeastShape : std::uint8_t {
  kFull,     // Feast's: values with a status and an event time each
  kCompact,  // the same without statuses and times
  kMatrix,   // numpy's .npy: float64, a row an entity, a column a feature
};

// /get-online-features: a request's features as of now. Immutable; any number of threads.
class FeastReader {
 public:
  // `features` outlives it. `service`: the feature service that has every feature.
  FeastReader(const OnlineFeatures& features, std::string service);
  // `accept`: the header of this name. `sensitive`: whether the asker may read features marked so. Errors are those of the store; what
  // is wrong with the request is in the reply.
  Result<FeastReply> Answer(const Json& request, std::string_view accept, bool sensitive, Micros now) const;

 private:
  struct Column {  // one feature
    std::size_t view, feature;
    bool sensitive;
  };
  struct Found;
  Result<std::vector<Column>> Choose(const Json& request, FeastReply* refused) const;
  Result<std::vector<Found>> Look(const Json& entities, std::size_t rows, const std::vector<Column>& columns, Micros now, FeastReply* refused) const;
  std::string WriteColumns(const Json& request, const Json& entities, std::size_t rows, const std::vector<Column>& columns, std::vector<Found>& found, bool full) const;
  std::string WriteMatrix(std::size_t rows, const std::vector<Column>& columns, const std::vector<Found>& found) const;
  const feature::FeatureView& ViewOf(const Column& column) const { return features_.views()[column.view].plan->view(); }
  const table::Field& FieldOf(const Column& column) const { return features_.views()[column.view].layout.fields()[static_cast<int>(column.feature)]; }

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  const OnlineFeatures& features_;
  const std::string service_;
  std::vector<Column> all_;
  std::unordered_map<std::string, Column, TextHash, std::equal_to<>> named_;  // "view:feature"
};

}  // namespace tenon::pipeline

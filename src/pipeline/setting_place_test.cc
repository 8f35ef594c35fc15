#include "pipeline/setting_place.h"

#include <gtest/gtest.h>

namespace tenon::pipeline {
namespace {

TEST(SettingPlace, IsTheDeepestWrittenMember) {
  const Json written = *Json::ParseYaml("problem: {label: late}\nfeatures:\n  buyer:\n    entity: who\n    aggregate:\n      amount: {mean: 7d}\ngates: [roc_auc > 0, f1 > 0]\n", "t.yaml");
  struct Case {
    std::string message, want;
  };
  for (const Case& one : {
           Case{"features: features.buyer.entity: no column 'who'", "p/tenon.yaml:4:5"},
           Case{"features.buyer.aggregate.amount: no such", "p/tenon.yaml:6:7"},
           Case{"features.buyer.time: name it", "p/tenon.yaml:3:3"},  // what is not written: the chapter it belongs in
           Case{"p/tenon.yaml:1:4: problem.label: wrong", ""},        // said already
           Case{"problem: no rows", ""},                              // a chapter alone is no setting
           Case{"data.csv:7: 'x' is no number", ""},
           Case{"features.seller.entity: gone", ""},
           Case{"evaluate: gates[1]: no such metric", "p/tenon.yaml:7:22"},
           Case{"gates[2]: no such gate", ""},
           Case{"", ""},
       }) {
    EXPECT_EQ(SettingPlace(written, "p/tenon.yaml", one.message), one.want) << one.message;
  }
}

}  // namespace
}  // namespace tenon::pipeline

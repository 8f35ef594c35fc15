#include <cmath>

#include "base/testing.h"
#include "evaluate/evaluate.h"
#include "model/linear.h"

namespace tenon::evaluate {
namespace {

using model::Task;
using table::Column;
using table::Field;
using table::Type;

// A linear model over two number columns: its attributions are weight * (value - center).
std::shared_ptr<const model::Predictor> LinearOver(const std::vector<Field>& inputs, std::vector<double> weights) {
  transform::GraphSpec spec;
  spec.inputs = inputs;
  for (const Field& field : inputs) spec.features.push_back(field.name);
  const table::Batch none(std::make_shared<table::Schema>(inputs), {Column::Of(std::vector<double>{1}), Column::Of(std::vector<double>{1})});
  auto graph = transform::Fit(Call(), spec, {none}, {}, {}, 0, {});
  EXPECT_TRUE(graph.ok()) << graph.error().ToString();
  auto linear = model::MakeLinear({Task::kRegression, 2, 1, std::move(weights), {5}, {10, 0}});
  EXPECT_TRUE(linear.ok()) << linear.error().ToString();
  return model::Predictor::Make(*graph, std::shared_ptr<const model::Model>(*std::move(linear)), model::Calibration(), 0.5, {});
}

TEST(ImportancesTest, AreMeanSizesOfAttributionsMostImportantFirst) {
  const std::vector<Field> inputs = {{"age", Type::kFloat64, 0}, {"amount", Type::kFloat64, 0}};
  const auto predictor = LinearOver(inputs, {1, -3});
  const table::Batch rows(std::make_shared<table::Schema>(inputs), {Column::Of(std::vector<double>{8, 10, 14}), Column::Of(std::vector<double>{1, -2, 0})});
  EvaluationReport report;
  report.task = Task::kRegression;
  ASSERT_OK(AddImportances(Call(), rows, *predictor, {}, &report));
  ASSERT_EQ(report.importances.size(), 2U);
  EXPECT_EQ(report.importances[0].feature, "amount");
  EXPECT_NEAR(report.importances[0].mean_absolute, (3 + 6 + 0) / 3.0, 1e-6);
  EXPECT_NEAR(report.importances[1].mean_absolute, (2 + 0 + 4) / 3.0, 1e-6);
  EXPECT_EQ(report.importances[0].sample_values, (std::vector<double>{1, -2, 0}));
  ASSERT_EQ(report.importances[0].sample_contributions.size(), 3U);
  EXPECT_NEAR(report.importances[0].sample_contributions[1], 6, 1e-6);
  ASSERT_TRUE(report.unexplained.has_value());
  EXPECT_LT(*report.unexplained, 1e-6);

  EvaluateSpec one;
  one.explain_rows = 1;
  ASSERT_OK(AddImportances(Call(), rows, *predictor, one, &report));
  EXPECT_EQ(report.importances[0].sample_values.size(), 1U);
  one.explain_rows = 0;
  ASSERT_OK(AddImportances(Call(), rows, *predictor, one, &report));
  EXPECT_TRUE(report.importances.empty());
  EXPECT_FALSE(report.unexplained.has_value()) << "nothing was explained";
}

TEST(ImportancesTest, NeedTheColumnsOfTheModel) {
  const std::vector<Field> inputs = {{"age", Type::kFloat64, 0}, {"amount", Type::kFloat64, 0}};
  const auto predictor = LinearOver(inputs, {1, 1});
  EvaluationReport report;
  const table::Batch lacking(std::make_shared<table::Schema>(std::vector<Field>{{"age", Type::kFloat64, 0}}), {Column::Of(std::vector<double>{1})});
  ASSERT_CODE(kNotFound, AddImportances(Call(), lacking, *predictor, {}, &report));
  const table::Batch texts(std::make_shared<table::Schema>(std::vector<Field>{{"age", Type::kString, 0}, {"amount", Type::kFloat64, 0}}),
                           {Column::Of(std::vector<std::string>{"old"}), Column::Of(std::vector<double>{1})});
  ASSERT_CODE(kInvalidArgument, AddImportances(Call(), texts, *predictor, {}, &report));
}

}  // namespace
}  // namespace tenon::evaluate

#include "dataset/evolve.h"

#include "base/testing.h"
#include "base/text.h"

namespace tenon::dataset {
namespace {

using table::Column;
using table::Schema;
using table::Type;

struct Case {
  std::string name;
  Schema before, after;
  std::vector<std::pair<std::string, std::string>> renames;
  std::string wanted;  // "name:type ..." or, beginning with "!", part of the message
};

TEST(Evolve, Rules) {
  const Schema old({{"a", Type::kInt64}, {"b", Type::kString}});
  const std::vector<Case> cases = {
      {"same", old, old, {}, "a:int64 b:string"},
      {"other order", old, Schema({{"b", Type::kString}, {"a", Type::kInt64}}), {}, "a:int64 b:string"},
      {"added", old, Schema({{"c", Type::kBool}, {"a", Type::kInt64}, {"b", Type::kString}}), {}, "a:int64 b:string c:bool"},
      {"widened", old, Schema({{"a", Type::kFloat64}, {"b", Type::kString}}), {}, "a:float64 b:string"},
      {"still wide", Schema({{"a", Type::kFloat64}}), Schema({{"a", Type::kInt64}}), {}, "a:float64"},
      {"renamed", old, Schema({{"z", Type::kInt64}, {"b", Type::kString}}), {{"z", "a"}}, "z:int64 b:string"},
      {"old name again", old, old, {{"z", "a"}}, "z:int64 b:string"},
      {"gone", old, Schema({{"a", Type::kInt64}}), {}, "!column 'b' is gone"},
      {"number to text", old, Schema({{"a", Type::kString}, {"b", Type::kString}}), {}, "!column 'a' was int64 and is string now"},
      {"int to bool", old, Schema({{"a", Type::kBool}, {"b", Type::kString}}), {}, "!types: {a: int64}"},
  };
  for (const Case& one : cases) {
    ingest::SourceSpec spec;
    spec.renames = one.renames;
    auto got = Evolve(one.before, one.after, spec);
    if (one.wanted[0] == '!') {
      ASSERT_FALSE(got.ok()) << one.name;
      EXPECT_NE(got.error().message().find(one.wanted.substr(1)), std::string::npos) << one.name << ": " << got.error().message();
      continue;
    }
    ASSERT_TRUE(got.ok()) << one.name << ": " << got.error().message();
    std::string text;
    for (const table::Field& field : got->fields()) text += Str(text.empty() ? "" : " ", field.name, ":", table::NameOf(field.type));
    EXPECT_EQ(text, one.wanted) << one.name;
  }
}

TEST(Evolve, RowsKeepTheirValues) {
  const auto old = std::make_shared<const Schema>(std::vector<table::Field>{{"a", Type::kInt64}});
  const auto wide = std::make_shared<const Schema>(std::vector<table::Field>{{"z", Type::kFloat64}, {"new", Type::kString}});
  ingest::SourceSpec spec;
  spec.renames = {{"z", "a"}};
  table::ColumnBuilder builder(Type::kInt64);
  builder.AddInt(-3);
  builder.AddNull();
  const table::Batch moved = InSchema(table::Batch(old, {builder.Finish()}), wide, spec);
  EXPECT_EQ(moved.column(0).doubles()[0], -3.0);
  EXPECT_TRUE(moved.column(0).IsNull(1));
  EXPECT_EQ(moved.column(1).null_count(), 2);
}

}  // namespace
}  // namespace tenon::dataset

#pragma once

// Rows with everything in them that an op may meet, for the tests of this folder and the contract of its kinds.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "transform/graph.h"

namespace tenon::transform {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline Kinds<Op> AllKinds() {
  Kinds<Op> kinds;
  const auto added = AddAll(kinds);
  EXPECT_TRUE(added.ok());
  return kinds;
}

using Files = std::vector<std::pair<std::string, std::shared_ptr<const std::string>>>;

// The files that settings name, from the root of the repository.
inline Files FilesOf(const Kinds<Op>& kinds, std::string_view kind, const Json& settings) {
  Files files;
  const auto found = kinds.Find(kind);
  EXPECT_TRUE(found.ok());
  for (const std::string& setting : FileSettings(**found)) {
    if (settings.Find(setting) == nullptr) continue;
    std::ifstream file(Str("tests/parity/networks/", settings.StringAt(setting)), std::ios::binary);
    EXPECT_TRUE(file.good()) << "run from the root of the repository";
    std::stringstream content;
    content << file.rdbuf();
    files.emplace_back(setting, std::make_shared<const std::string>(content.str()));
  }
  return files;
}

struct TestRows {
  table::Batch batch;  // a, b: numbers; s, t, prose: texts; at: timestamps
  std::vector<double> label;  // of two classes
  std::vector<std::uint8_t> fold;
};

// `from` numbers the first row: other numbers give other rows, with values not among the first.
inline TestRows MakeRows(std::int64_t n, std::int64_t from = 0) {
  static const std::vector<double> kOdd = {kNaN, kInfinity, -kInfinity, -0.0, 0.0, 1e300, -1e-310, 3e-39, 16777217.0, kNaN};
  static const std::vector<std::string> kWords = {"red", "green", "blue", "", " Blue ", "GREEN", "\xC3\x84pfel", "a|b", "red"};
  static const std::vector<std::string> kProse = {"free entry, win a prize now", "are you home now?", "", "win win win",
                                                  "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 you", "no\xFF utf8 \xC3"};
  table::ColumnBuilder a(table::Type::kFloat64);
  table::ColumnBuilder b(table::Type::kInt64);
  table::ColumnBuilder s(table::Type::kString);
  table::ColumnBuilder t(table::Type::kString);
  table::ColumnBuilder prose(table::Type::kString);
  table::ColumnBuilder at(table::Type::kTimestamp);
  TestRows rows;
  for (std::int64_t i = from; i < from + n; ++i) {
    const auto draw = [i](std::uint64_t what) { return Hash64(static_cast<std::uint64_t>(i), what); };
    const auto pick = [&](std::uint64_t what, const auto& list) { return list[draw(what) % list.size()]; };
    if (draw(1) % 11 == 0) {
      a.AddNull();
    } else {
      a.Add(draw(2) % 9 == 0 ? pick(3, kOdd) : static_cast<double>(draw(4) % 100000) / 777.0 - 50);
    }
    draw(5) % 13 == 0 ? b.AddNull() : b.AddInt(static_cast<std::int64_t>(draw(6) % 7) + (i > 5000 ? 3 : 0));
    draw(7) % 17 == 0 ? s.AddNull() : s.AddText(pick(8, kWords));
    draw(9) % 19 == 0 ? t.AddNull() : t.AddText(Str("user-", draw(10) % (i > 5000 ? 900 : 300)));
    draw(11) % 7 == 0 ? prose.AddNull() : prose.AddText(Str(pick(12, kProse), draw(13) % 3 == 0 ? " again" : "", " ", pick(14, kWords)));
    draw(15) % 23 == 0 ? at.AddNull() : at.AddInt(static_cast<std::int64_t>(draw(16) % 3'000'000'000'000'000ULL) - 1'000'000'000'000'000);
    rows.label.push_back(draw(17) % 3 == 0 ? 1 : 0);
    rows.fold.push_back(static_cast<std::uint8_t>(draw(18) % 4));
  }
  using table::Type;
  auto schema = std::make_shared<const table::Schema>(std::vector<table::Field>{{"a", Type::kFloat64}, {"b", Type::kInt64}, {"s", Type::kString},
                                                                                {"t", Type::kString}, {"prose", Type::kString}, {"at", Type::kTimestamp}});
  rows.batch = table::Batch(std::move(schema), {a.Finish(), b.Finish(), s.Finish(), t.Finish(), prose.Finish(), at.Finish()});
  return rows;
}

// The same rows with texts dictionary-coded.
inline table::Batch Coded(const table::Batch& rows) {
  std::vector<table::Column> columns;
  for (int i = 0; i < rows.columns(); ++i) {
    const table::Column& column = rows.column(i);
    if (column.type() != table::Type::kString) {
      columns.push_back(column);
      continue;
    }
    auto dictionary = std::make_shared<table::Dictionary>();
    auto codes = std::make_shared<std::vector<std::int32_t>>();
    for (std::int64_t row = 0; row < column.size(); ++row) {
      std::int32_t code = 0;
      if (!column.IsNull(row)) {
        const std::string text(column.Text(row));
        while (static_cast<std::size_t>(code) < dictionary->size() && (*dictionary)[static_cast<std::size_t>(code)] != text) ++code;
        if (static_cast<std::size_t>(code) == dictionary->size()) dictionary->push_back(text);
      }
      codes->push_back(code);
    }
    if (dictionary->empty()) dictionary->push_back("");
    struct Owner {
      std::shared_ptr<std::vector<std::int32_t>> codes;
      table::Column column;
    };
    auto owner = std::make_shared<Owner>(Owner{codes, column});
    columns.push_back(table::Column::Coded(codes->data(), dictionary, column.size(), column.validity(), owner));
  }
  return table::Batch(rows.shared_schema(), std::move(columns));
}

// Pieces of `each` rows.
inline std::vector<table::Batch> InPieces(const table::Batch& rows, std::int64_t each) {
  std::vector<table::Batch> out;
  for (std::int64_t from = 0; from < rows.rows(); from += each) out.push_back(rows.Slice(from, std::min(each, rows.rows() - from)));
  return out;
}

// The tile of a batch, as bytes.
inline std::string TileOf(const FittedGraph& graph, const table::Batch& rows) {
  std::vector<float> tile(static_cast<std::size_t>(graph.width() * rows.rows()) + 1);
  FittedGraph::Scratch scratch;
  const auto applied = graph.Apply(rows, tile.data(), graph.width(), scratch);
  EXPECT_TRUE(applied.ok()) << applied.error().ToString();
  return {reinterpret_cast<const char*>(tile.data()), (tile.size() - 1) * sizeof(float)};
}

// The same row by row, through slots.
inline std::string TileByRow(const FittedGraph& graph, const table::Batch& rows) {
  std::vector<float> tile(static_cast<std::size_t>(graph.width() * rows.rows()) + 1);
  FittedGraph::Scratch scratch;
  const auto& inputs = graph.inputs();
  std::vector<double> numbers(inputs.size());
  std::vector<std::string_view> texts(inputs.size());
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const table::Column column = *rows.Named(inputs[i].name);
      if (column.type() == table::Type::kString) {
        texts[i] = column.IsNull(row) ? std::string_view() : column.Text(row);
      } else {
        numbers[i] = column.Number(row);
      }
    }
    graph.ApplyRow(numbers.data(), texts.data(), tile.data() + row * graph.width(), scratch);
  }
  return {reinterpret_cast<const char*>(tile.data()), (tile.size() - 1) * sizeof(float)};
}

}  // namespace tenon::transform

// What every transform op promises, checked for all kinds: all kinds x all inputs they take x all checks.

#include <algorithm>
#include <map>
#include <random>

#include "base/testing.h"
#include "transform/test_rows_internal.h"

namespace tenon::transform {
namespace {

// The columns an op is tried on, by name.
const std::vector<std::vector<std::string>> kInputs = {{"a"}, {"b"}, {"a", "b"}, {"s"}, {"t"}, {"s", "t"}, {"b", "s"}, {"prose"}, {"at"}};

Port PortOf(const table::Field& field) {
  return {.name = field.name,
          .kind = field.type == table::Type::kString ? Port::Kind::kText : Port::Kind::kNumber,
          .timestamp = field.type == table::Type::kTimestamp};
}

std::vector<Port> PortsOf(const table::Schema& schema, const std::vector<std::string>& names) {
  std::vector<Port> out;
  for (const std::string& name : names) out.push_back(PortOf(schema[schema.Find(name)]));
  return out;
}

// One use of a kind: its example on some columns. What it gives are features; texts it gives are hashed to be ones.
struct Use {
  std::string name;
  std::string kind;
  Json settings;
  std::vector<Port> in;
  GraphSpec spec;
  int classes = 2;
};

// Gives an op its files; true when what it runs them with is not installed.
bool IsUnavailable(Op& op, const Files& files) {
  for (const auto& [setting, content] : files) {
    const auto given = op.Give(setting, content);
    if (!given.ok() && given.error().code() == Code::kUnavailable) return true;
    EXPECT_TRUE(given.ok()) << setting << (given.ok() ? "" : given.error().ToString());
  }
  return false;
}

std::vector<Use> AllUses(const Kinds<Op>& kinds) {
  const table::Schema schema = MakeRows(1).batch.schema();
  std::vector<Use> uses;
  for (const auto& [kind, entry] : kinds.all()) {
    for (const bool example : {true, false}) {
      const auto parsed = Json::Parse(entry.doc.example, kind);
      EXPECT_TRUE(parsed.ok()) << kind << ": its example is no JSON";
      const Json settings = example ? *parsed : Json::MakeObject();
      auto op = kinds.Create(kind, settings);
      if (!op.ok()) {
        EXPECT_FALSE(example) << kind << ": its example does not run: " << op.error().ToString();
        continue;  // a kind may need settings
      }
      const Files files = FilesOf(kinds, kind, settings);
      if (!files.empty() && IsUnavailable(**op, files)) continue;
      for (const auto& names : kInputs) {
        Use use;
        use.in = PortsOf(schema, names);
        const auto out = (*op)->Outputs(use.in, nullptr);
        if (!out.ok()) {
          EXPECT_EQ(out.error().code(), Code::kInvalidArgument);
          continue;
        }
        use.name = Str(kind, example ? " (example)" : "", " of ", Join(names, ", "));
        use.kind = kind;
        use.settings = settings;
        for (const std::string& name : names) use.spec.inputs.push_back(schema[schema.Find(name)]);
        use.spec.nodes.push_back({kind, names, {}, settings, files});
        for (const Port& port : *out) {
          if (port.kind != Port::Kind::kText) {
            use.spec.features.push_back(port.name);
            continue;
          }
          Json with;
          with["buckets"] = 37;
          use.spec.nodes.push_back({"hash", {port.name}, {Str(port.name, "_h")}, with});
          use.spec.features.push_back(Str(port.name, "_h"));
        }
        uses.push_back(std::move(use));
      }
    }
  }
  return uses;
}

class OpContract : public testing::Test {
 protected:
  Kinds<Op> kinds_ = AllKinds();
  std::vector<Use> uses_ = AllUses(kinds_);
  TestRows rows_ = MakeRows(3000);
  TestRows others_ = MakeRows(1000, 9000);

  std::shared_ptr<const FittedGraph> Fitted(const Use& use, const std::vector<table::Batch>& batches, int threads = 1) {
    Call call;
    call.threads = threads;
    auto graph = Fit(call, use.spec, batches, rows_.label, rows_.fold, use.classes, kinds_);
    EXPECT_TRUE(graph.ok()) << graph.error().ToString();
    return graph.ok() ? *graph : nullptr;
  }
};

TEST_F(OpContract, EveryKindTakesSomeInput) {
  std::map<std::string, int> uses;
  for (const Use& use : uses_) ++uses[use.kind];
  for (const std::string& name : kinds_.Names()) {
    if (uses[name] > 0) continue;
    // But those whose library is not installed.
    ASSERT_OK_AND_ASSIGN(const auto* kind, kinds_.Find(name));
    ASSERT_OK_AND_ASSIGN(const Json settings, Json::Parse(kind->doc.example, name));
    ASSERT_OK_AND_ASSIGN(auto op, kinds_.Create(name, settings));
    const Files files = FilesOf(kinds_, name, settings);
    EXPECT_TRUE(!files.empty() && IsUnavailable(*op, files)) << name;
  }
}

TEST_F(OpContract, StatesMergeInAnySplitAndOrder) {
  for (const Use& use : uses_) {
    SCOPED_TRACE(use.name);
    ASSERT_OK_AND_ASSIGN(const auto op, kinds_.Create(use.kind, use.settings));
    for (const auto& [setting, content] : use.spec.nodes[0].files) ASSERT_OK(op->Give(setting, content));
    if (op->NewState(use.in, use.classes) == nullptr) continue;
    std::string first;
    for (unsigned seed = 0; seed < 6; ++seed) {
      std::mt19937 random(seed);
      const int parts = seed == 0 ? 1 : 2 + static_cast<int>(random() % 5);
      std::vector<std::unique_ptr<State>> states;
      for (int i = 0; i < parts; ++i) states.push_back(op->NewState(use.in, use.classes));
      // Blocks of any size, in any order, to any part.
      std::vector<std::pair<std::int64_t, std::int64_t>> blocks;
      for (std::int64_t from = 0; from < rows_.batch.rows();) {
        const std::int64_t n = std::min<std::int64_t>(1 + random() % kLaneRows, rows_.batch.rows() - from);
        blocks.emplace_back(from, n);
        from += n;
      }
      if (seed > 0) std::shuffle(blocks.begin(), blocks.end(), random);
      for (const auto& block : blocks) {
        const std::int64_t from = block.first;
        const std::int64_t n = block.second;
        std::vector<std::vector<double>> numbers(use.in.size(), std::vector<double>(kLaneRows));
        std::vector<std::vector<std::string_view>> texts(use.in.size(), std::vector<std::string_view>(kLaneRows));
        std::vector<Lane> lanes(use.in.size());
        std::vector<table::Column> columns;
        for (std::size_t i = 0; i < use.in.size(); ++i) {
          columns.push_back(*rows_.batch.Named(use.in[i].name));
          for (std::int64_t row = 0; row < n; ++row) {
            const auto at = static_cast<std::size_t>(row);
            if (use.in[i].kind == Port::Kind::kText) {
              texts[i][at] = columns[i].IsNull(from + row) ? std::string_view() : columns[i].Text(from + row);
            } else {
              numbers[i][at] = columns[i].Number(from + row);
            }
          }
          if (use.in[i].kind == Port::Kind::kText) {
            lanes[i].texts = texts[i].data();
          } else {
            lanes[i].numbers = numbers[i].data();
          }
        }
        states[random() % states.size()]->Add(lanes, rows_.label.data() + from, rows_.fold.data() + from, n);
      }
      while (states.size() > 1) {
        const std::size_t to = random() % states.size();
        const std::size_t from = (to + 1 + random() % (states.size() - 1)) % states.size();
        ASSERT_OK(states[to]->Merge(*states[from]));
        states.erase(states.begin() + static_cast<std::ptrdiff_t>(from));
      }
      ASSERT_OK(states[0]->Finish());
      if (seed == 0) first = states[0]->Save();
      ASSERT_EQ(states[0]->Save(), first) << "split and order " << seed;
    }
  }
}

TEST_F(OpContract, BatchesThreadsAndCodesDoNotChangeWhatIsLearned) {
  for (const Use& use : uses_) {
    SCOPED_TRACE(use.name);
    const auto whole = Fitted(use, {rows_.batch});
    ASSERT_NE(whole, nullptr);
    const std::string saved = whole->Save();
    EXPECT_EQ(Fitted(use, InPieces(rows_.batch, 137))->Save(), saved) << "many batches";
    EXPECT_EQ(Fitted(use, {Coded(rows_.batch)})->Save(), saved) << "coded";
    EXPECT_EQ(Fitted(use, InPieces(rows_.batch, 1111), 3)->Save(), saved) << "three threads";
    EXPECT_EQ(Fitted(use, InPieces(Coded(rows_.batch), 700), 2)->Save(), saved) << "two threads, coded";
  }
}

// Unseen values, nulls, NaN, infinities and empty texts are all among the rows it is applied to.
TEST_F(OpContract, RowsBatchesCodesAndReloadedGraphsGiveTheSameBits) {
  for (const Use& use : uses_) {
    SCOPED_TRACE(use.name);
    const auto graph = Fitted(use, {rows_.batch});
    ASSERT_NE(graph, nullptr);
    const std::string saved = graph->Save();
    ASSERT_OK_AND_ASSIGN(const auto again, FittedGraph::Load(saved, kinds_));
    EXPECT_EQ(again->Save(), saved);
    EXPECT_EQ(again->feature_names(), graph->feature_names());
    for (const table::Batch* rows : {&rows_.batch, &others_.batch}) {
      const std::string tile = TileOf(*graph, *rows);
      EXPECT_EQ(TileByRow(*graph, *rows), tile) << "row by row";
      EXPECT_EQ(TileOf(*graph, Coded(*rows)), tile) << "coded";
      EXPECT_EQ(TileOf(*again, *rows), tile) << "reloaded";
      EXPECT_EQ(TileByRow(*again, *rows), tile) << "reloaded, row by row";
      std::string pieces;
      for (const table::Batch& piece : InPieces(*rows, 61)) pieces += TileOf(*graph, piece);
      EXPECT_EQ(pieces, tile) << "in batches of 61";
    }
  }
}

TEST_F(OpContract, TrainingRowsDoNotDependOnTheBatch) {
  for (const Use& use : uses_) {
    SCOPED_TRACE(use.name);
    const auto graph = Fitted(use, {rows_.batch});
    ASSERT_NE(graph, nullptr);
    std::string tiles[2];
    for (int pass = 0; pass < 2; ++pass) {
      std::int64_t from = 0;
      FittedGraph::Scratch scratch;
      for (const table::Batch& piece : InPieces(pass == 0 ? rows_.batch : Coded(rows_.batch), pass == 0 ? 3000 : 77)) {
        std::vector<float> tile(static_cast<std::size_t>(graph->width() * piece.rows()) + 1);
        ASSERT_OK(graph->ApplyTraining(piece, rows_.label.data() + from, rows_.fold.data() + from, tile.data(), graph->width(), scratch));
        tiles[pass].append(reinterpret_cast<const char*>(tile.data()), (tile.size() - 1) * sizeof(float));
        from += piece.rows();
      }
    }
    EXPECT_EQ(tiles[0], tiles[1]);
  }
}

TEST_F(OpContract, OutputsAreAsDeclared) {
  for (const Use& use : uses_) {
    SCOPED_TRACE(use.name);
    ASSERT_OK_AND_ASSIGN(const auto op, kinds_.Create(use.kind, use.settings));
    for (const auto& [setting, content] : use.spec.nodes[0].files) ASSERT_OK(op->Give(setting, content));
    ASSERT_OK_AND_ASSIGN(const auto before, op->Outputs(use.in, nullptr));
    ASSERT_FALSE(before.empty());
    for (const Port& port : before) EXPECT_FALSE(port.name.empty());
    const auto graph = Fitted(use, {rows_.batch});
    ASSERT_NE(graph, nullptr);
    EXPECT_EQ(graph->feature_names().size(), static_cast<std::size_t>(graph->width()));
    EXPECT_EQ(graph->feature_source().size(), static_cast<std::size_t>(graph->width()));
    std::vector<std::string> names = graph->feature_names();
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "two features of one name";
    for (const int source : graph->feature_source()) {
      EXPECT_GE(source, 0);
      EXPECT_LT(source, static_cast<int>(use.in.size()));
    }
  }
}

TEST_F(OpContract, NoRowsAreFine) {
  for (const Use& use : uses_) {
    SCOPED_TRACE(use.name);
    auto graph = Fit(Call(), use.spec, {}, {}, {}, use.classes, kinds_);
    ASSERT_OK(graph);
    ASSERT_OK(FittedGraph::Load((*graph)->Save(), kinds_));
    EXPECT_EQ(TileByRow(**graph, others_.batch), TileOf(**graph, others_.batch));
    EXPECT_EQ(TileOf(**graph, others_.batch.Slice(0, 0)), "");
  }
}

TEST_F(OpContract, DamagedStatesAreErrorsOrHarmless) {
  for (const Use& use : uses_) {
    SCOPED_TRACE(use.name);
    ASSERT_OK_AND_ASSIGN(const auto op, kinds_.Create(use.kind, use.settings));
    for (const auto& [setting, content] : use.spec.nodes[0].files) ASSERT_OK(op->Give(setting, content));
    auto state = op->NewState(use.in, use.classes);
    if (state == nullptr) continue;
    ASSERT_OK(state->Finish());
    const std::string empty = state->Save();
    if (!empty.empty()) EXPECT_FALSE(op->LoadState(use.in, "").ok());
    EXPECT_FALSE(op->LoadState(use.in, empty + "x").ok());
    for (std::size_t i = 0; i < empty.size(); ++i) {
      std::string damaged = empty;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x7F);
      (void)op->LoadState(use.in, damaged).ok();
      (void)op->LoadState(use.in, std::string_view(empty).substr(0, i)).ok();
    }
  }
}

}  // namespace
}  // namespace tenon::transform

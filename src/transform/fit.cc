// Fitting: the nodes of a level in one pass over all rows, one state a node and thread, merged in order.

#include <algorithm>
#include <thread>

#include "base/text.h"
#include "transform/plan_internal.h"

namespace tenon::transform {
namespace {

// Rows of one batch, and the number of the first among all rows.
struct Piece {
  const table::Batch* batch;
  std::int64_t from, rows, first;
};

// What one level's pass runs: the nodes it fits, those before them, and the inputs they read.
struct Level {
  std::vector<std::size_t> fitted;
  std::vector<std::size_t> before;
  std::vector<std::uint8_t> wanted;
};

Level LevelOf(const Program& program, int number) {
  Level level;
  std::vector<std::uint8_t> needed(program.ports.size(), 0);
  for (std::size_t i = program.nodes.size(); i-- > 0;) {
    const Node& node = program.nodes[i];
    const bool fitted = node.learns && node.level == number;
    bool before = false;
    for (const int port : node.out) before = before || needed[static_cast<std::size_t>(port)] != 0;
    if (fitted) level.fitted.push_back(i);
    if (before) level.before.push_back(i);
    if (!fitted && !before) continue;
    for (const int port : node.in) needed[static_cast<std::size_t>(port)] = 1;
  }
  std::reverse(level.fitted.begin(), level.fitted.end());
  std::reverse(level.before.begin(), level.before.end());
  level.wanted.assign(needed.begin(), needed.begin() + static_cast<std::ptrdiff_t>(program.spec.inputs.size()));
  return level;
}

// Parts of about equal size, in order, none of them empty.
std::vector<std::vector<Piece>> Shares(const std::vector<table::Batch>& batches, int threads) {
  std::int64_t total = 0;
  for (const table::Batch& batch : batches) total += batch.rows();
  const std::int64_t blocks = (total + kLaneRows - 1) / kLaneRows;
  const std::int64_t parts = std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(1, blocks / 8));
  const std::int64_t each = std::max<std::int64_t>(1, (total + parts - 1) / parts);
  std::vector<std::vector<Piece>> shares(1);
  std::int64_t first = 0;
  std::int64_t room = each;
  for (const table::Batch& batch : batches) {
    for (std::int64_t from = 0; from < batch.rows();) {
      if (room == 0) {
        shares.emplace_back();
        room = each;
      }
      const std::int64_t rows = std::min(room, batch.rows() - from);
      shares.back().push_back({&batch, from, rows, first});
      from += rows;
      first += rows;
      room -= rows;
    }
  }
  return shares;
}

struct Labels {
  const double* label = nullptr;
  const std::uint8_t* fold = nullptr;
  Known From(std::int64_t row) const {
    return {true, label == nullptr ? nullptr : label + row, fold == nullptr ? nullptr : fold + row};
  }
};

using States = std::vector<std::unique_ptr<State>>;

Result<void> AddRows(const Call& call, const Program& program, const Level& level, const std::vector<Piece>& share,
                     const Labels& labels, States& states) {
  Working working;
  program.Prepare(working);
  for (const Piece& piece : share) {
    TENON_TRY(program.Bind(*piece.batch, level.wanted, working));
    for (std::int64_t at = 0; at < piece.rows; at += kLaneRows) {
      TENON_TRY(call.Check());
      const std::int64_t n = std::min(kLaneRows, piece.rows - at);
      const Known known = labels.From(piece.first + at);
      program.Load(working, level.wanted, piece.from + at, n);
      for (const std::size_t node : level.before) program.RunNode(node, working, n, known);
      for (std::size_t i = 0; i < level.fitted.size(); ++i) {
        const Node& node = program.nodes[level.fitted[i]];
        states[i]->Add({working.lanes.data() + node.in_lane, node.in.size()}, known.label, known.fold, n);
      }
    }
  }
  return {};
}

Result<void> FitLevel(const Call& call, Program& program, int number, const std::vector<std::vector<Piece>>& shares,
                      const Labels& labels) {
  const Level level = LevelOf(program, number);
  std::vector<States> states(shares.size());
  for (States& part : states) {
    for (const std::size_t at : level.fitted) {
      const Node& node = program.nodes[at];
      part.push_back(node.op->NewState(program.PortsOf(node.in), program.classes));
    }
  }
  std::vector<Result<void>> done(shares.size());
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < shares.size(); ++i) {
      helpers.emplace_back([&, i] { done[i] = AddRows(call, program, level, shares[i], labels, states[i]); });
    }
    done[0] = AddRows(call, program, level, shares[0], labels, states[0]);
  }
  for (Result<void>& part : done) TENON_TRY(std::move(part));
  for (std::size_t i = 0; i < level.fitted.size(); ++i) {
    Node& node = program.nodes[level.fitted[i]];
    for (std::size_t part = 1; part < states.size(); ++part) {
      TENON_TRY(states[0][i]->Merge(*states[part][i]), program.Called(node));
    }
    TENON_TRY(states[0][i]->Finish(), program.Called(node));
    node.state = std::move(states[0][i]);
  }
  return {};
}

Result<void> CheckLabels(const Program& program, std::int64_t rows, std::span<const double> label,
                         std::span<const std::uint8_t> fold) {
  const auto fits = [rows](std::size_t size) { return size == 0 || static_cast<std::int64_t>(size) == rows; };
  if (!fits(label.size())) {
    return Error(Code::kInvalidArgument, Str("there are ", label.size(), " labels for ", rows, " rows"));
  }
  if (!fits(fold.size())) {
    return Error(Code::kInvalidArgument, Str("there are ", fold.size(), " folds for ", rows, " rows"));
  }
  for (const Node& node : program.nodes) {
    if (node.op->needs_label() && label.empty() && rows > 0) {
      return Error(Code::kInvalidArgument, Str(program.Called(node), ": it learns from the label, and there is none"));
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const FittedGraph>> Fit(const Call& call, const GraphSpec& spec, const std::vector<table::Batch>& rows,
                                               std::span<const double> label, std::span<const std::uint8_t> fold, int classes,
                                               const Kinds<Op>& kinds) {
  TENON_ASSIGN(Program program, Program::Build(spec, kinds));
  program.classes = classes;
  const std::vector<std::vector<Piece>> shares = Shares(rows, call.threads);
  std::int64_t total = 0;
  for (const table::Batch& batch : rows) total += batch.rows();
  TENON_TRY(CheckLabels(program, total, label, fold));
  const Labels labels = {label.empty() ? nullptr : label.data(), fold.empty() ? nullptr : fold.data()};
  for (int level = 0; level < program.levels; ++level) {
    call.Report("fitting transforms", static_cast<double>(level) / program.levels);
    TENON_TRY(program.Layout(false));
    TENON_TRY(FitLevel(call, program, level, shares, labels));
  }
  TENON_TRY(program.Layout(true));
  auto plan = std::make_unique<const FittedGraph::Plan>(FittedGraph::Plan{std::move(program)});
  return std::shared_ptr<const FittedGraph>(new FittedGraph(std::move(plan)));
}

}  // namespace tenon::transform

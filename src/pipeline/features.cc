#include "pipeline/features.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "table/expression.h"

namespace tenon::pipeline {

using feature::FeatureView;
using table::Batch;

Result<void> BindViews(Project* project) {
  std::vector<const ingest::SourceSpec*> sources = {&project->source};
  for (const ingest::SourceSpec& source : project->other_sources) sources.push_back(&source);
  std::vector<std::string> names;
  for (const ingest::SourceSpec* source : sources) names.push_back(source->name);
  for (FeatureView& view : project->features.views) {
    const auto wrong = [&](std::string_view what) {
      return Error(Code::kInvalidArgument, Str(project->file, ": features.", view.name, ".", what));
    };
    if (view.from.empty() && sources.size() > 1) return wrong(Str("from: say which of the sources it reads", DidYouMean("", names)));
    if (view.from.empty()) view.from = project->source.name;
    const auto at = std::ranges::find(names, view.from);
    if (at == names.end()) return wrong(Str("from: no source '", view.from, "' under data:", DidYouMean(view.from, names)));
    const ingest::SourceSpec& source = *sources[static_cast<std::size_t>(at - names.begin())];
    if (view.time.empty()) view.time = source.time;
    if (view.time.empty()) return wrong(Str("time: name the column that says when an event happened, here or as `time:` of source ", view.from, "; `time: always` is for a table of one row each that does not change"));
  }
  if (!project->features.views.empty() && project->source.time.empty()) {
    return Error(Code::kInvalidArgument, Str(project->file, ": features: values are as known at a row's time; name its column under data: {time: column}"));
  }
  return {};
}

const ingest::SourceSpec& SourceOf(const Project& project, const FeatureView& view) {
  for (const ingest::SourceSpec& source : project.other_sources) {
    if (source.name == view.from) return source;
  }
  return project.source;
}

Result<std::unique_ptr<store::Store>> StoreOf(platform::Files& files, const Project& project) {
  auto opened = store::Store::Open(files, project.data_folder(), store::Store::Access::kRead);
  if (!opened.ok() && opened.error().code() == Code::kNotFound) return std::unique_ptr<store::Store>();
  return opened;
}

Result<std::vector<SourceRows>> ReadViewSources(const Call& call, const Kinds<ingest::Reader>& readers, const Project& project) {
  std::vector<SourceRows> out;
  for (const FeatureView& view : project.features.views) {
    if (std::ranges::find(out, view.from, &SourceRows::source) != out.end()) continue;
    TENON_ASSIGN(auto reader, ingest::Read(call, SourceOf(project, view), readers));
    TENON_ASSIGN(Batch rows, table::ReadAll(call, *reader), Str("reading source ", view.from));
    out.push_back({view.from, {std::move(rows)}});
  }
  return out;
}

Result<Batch> WithFeatures(const Call& call, const Project& project, const Batch& asking, std::string_view time,
                           const std::vector<SourceRows>& sources) {
  std::vector<feature::ViewRows> views;
  for (const FeatureView& view : project.features.views) {
    const auto rows = std::ranges::find(sources, view.from, &SourceRows::source);
    if (rows == sources.end() || rows->batches.empty()) {
      return Error(Code::kFailedPrecondition, Str("features.", view.name, ": its source ", view.from, " has no rows"));
    }
    TENON_ASSIGN(auto plan, feature::ViewPlan::Make(view, rows->batches[0].schema()));
    views.push_back({std::move(plan), &rows->batches});
  }
  return feature::JoinAsOf(call, asking, time, views);
}

bool MayBeMissing(const feature::FeaturesSpec& features, std::string_view column) {
  for (const FeatureView& view : features.views) {
    for (const feature::FeatureSpec& spec : view.features) {
      if (feature::ColumnOf(view, spec) != column) continue;
      using feature::Function;
      const bool counts = spec.function == Function::kCount || spec.function == Function::kDistinct || spec.function == Function::kDecayedCount;
      return view.ttl.count() != 0 || (!counts && !view.inputs[static_cast<std::size_t>(spec.input)].fill);
    }
  }
  return false;
}

Result<void> CheckNoLabelLeaks(const Project& project, const table::Schema& main_source) {
  const std::string& label = project.problem.label;
  std::chrono::microseconds late{0};
  if (!project.problem.known_after.empty()) {
    TENON_ASSIGN(late, ParseDuration(project.problem.known_after));
  }
  for (const FeatureView& view : project.features.views) {
    if (view.from != project.source.name || !view.known.empty()) continue;
    for (const feature::InputSpec& input : view.inputs) {
      bool reads = false;
      for (const std::string& text : {input.of.empty() ? Str("\"", input.name, "\"") : input.of, input.where, view.where}) {
        if (text.empty()) continue;
        auto parsed = table::Expression::Parse(text, main_source);
        if (parsed) reads = reads || std::ranges::find(parsed->inputs(), label) != parsed->inputs().end();
      }
      // A lag is known as late as it is long.
      std::chrono::microseconds least = std::chrono::microseconds::max();
      for (const feature::FeatureSpec& spec : view.features) {
        if (&view.inputs[static_cast<std::size_t>(spec.input)] != &input) continue;
        least = std::min(least, input.delay + (spec.function == feature::Function::kLag ? spec.window.length : std::chrono::microseconds(0)));
      }
      const bool soon = late.count() > 0 ? least < late : least.count() == 0 && view.same_instant;
      if (!reads || !soon) continue;
      return Error(Code::kInvalidArgument,
                   Str("features.", view.name, ".", input.name, ": reads the label ", label, ", which is not known when a row asks; add delay: ",
                       late.count() > 0 ? project.problem.known_after : "7d", " (how long after an event its label is known)"));
    }
  }
  return {};
}

namespace {

bool PartOfName(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

// The text with each of these columns as a comparison: between the nodes of a graph a truth value is a number, 0 or 1.
std::string WithTruthsCompared(std::string_view text, const std::vector<std::string>& truths) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    std::string name;
    if (text[i] == '\'' || text[i] == '"') {
      while (end < text.size() && text[end] != text[i]) ++end;
      end = std::min(end + 1, text.size());
      if (text[i] == '"') name = text.substr(i + 1, end - i - 2);
    } else if (PartOfName(text[i])) {
      while (end < text.size() && PartOfName(text[end])) ++end;
      name = text.substr(i, end - i);
    }
    const std::string_view token = text.substr(i, end - i);
    const bool truth = !name.empty() && std::ranges::find(truths, name) != truths.end();
    out += truth ? Str("(", token, " <> 0)") : std::string(token);
    i = end;
  }
  return out;
}

}  // namespace

Result<std::vector<transform::NodeSpec>> OnDemandNodes(const feature::FeaturesSpec& features, const table::Schema& joined) {
  std::vector<transform::NodeSpec> out;
  std::vector<table::Field> fields = joined.fields();
  for (const feature::OnDemandSpec& spec : features.on_demand) {
    auto parsed = table::Expression::Parse(spec.expression, table::Schema(fields));
    if (!parsed) return Error(Code::kInvalidArgument, Str("features.on_demand.", spec.name, ": ", parsed.error().message()));
    if (joined.Find(spec.name) >= 0) {
      return Error(Code::kInvalidArgument, Str("features.on_demand.", spec.name, ": there is a column of that name; choose another"));
    }
    std::vector<table::Field> numbers = fields;
    std::vector<std::string> truths;
    for (table::Field& field : numbers) {
      if (field.type != table::Type::kBool) continue;
      truths.push_back(field.name);
      field.type = table::Type::kFloat64;
    }
    const bool as_written = table::Expression::Parse(spec.expression, table::Schema(std::move(numbers))).ok();
    Json with;
    with["text"] = as_written ? spec.expression : WithTruthsCompared(spec.expression, truths);
    out.push_back({"expression", parsed->inputs(), {spec.name}, std::move(with)});
    fields.push_back({spec.name, parsed->type(), 0});
  }
  return out;
}

}  // namespace tenon::pipeline

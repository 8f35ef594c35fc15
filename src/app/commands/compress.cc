#include "app/commands/all.h"
#include "pipeline/compress.h"

namespace tenon::app {
namespace {

Result<int> Compress(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  pipeline::CompressSpec spec;
  spec.leaves = args.Text("leaves") == "u8" ? model::LeafBits::kByte : args.Text("leaves") == "f16" ? model::LeafBits::kHalf : model::LeafBits::kWhole;
  spec.prune = args.Number("prune");
  spec.metric = args.Text("metric");
  spec.most_loss = args.Number("max-loss");
  spec.slim = args.Bool("slim");
  const std::string trees = args.Text("trees");
  spec.fewest = trees == "fewest";
  if (!spec.fewest && trees != "all" && (!ParseInt64(trees, &spec.trees) || spec.trees < 1)) {
    return Error(Code::kInvalidArgument, Str("--trees is a number, 'fewest' or 'all', not '", trees, "'"));
  }
  if (!(spec.prune >= 0) || !(spec.most_loss >= 0)) return Error(Code::kInvalidArgument, "--prune and --max-loss are at least 0");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kWrite));
  TENON_ASSIGN(const auto made, pipeline::Compress(context.call, project, *opened, context.kits, args.Text("model"), spec));
  if (context.json) {
    context.terminal.JsonLine(made.ToJson());
    return made.passed() ? 0 : 1;
  }
  const auto share = [](std::int64_t after, std::int64_t before) { return Str(FormatShort(before == 0 ? 0 : 100.0 * static_cast<double>(after) / static_cast<double>(before), 3), " %"); };
  const auto line = [&](const std::string& what, std::int64_t before, std::int64_t after) {
    return std::vector<std::string>{what, FormatCount(before), FormatCount(after), share(after, before)};
  };
  Terminal& terminal = context.terminal;
  terminal.Line(Str(made.version.id(), " is ", made.from, " in fewer bytes"));
  terminal.Table({{"", "before", "after", ""},
                  line("bundle, bytes", made.bundle_before, made.bundle_after),
                  line("model, bytes", made.model_before, made.model_after),
                  line("trees", made.trees_before, made.trees_after),
                  line("leaves", made.leaves_before, made.leaves_after)});
  terminal.Line(Str(made.metric, " on the test rows: ", FormatShort(made.before, 5), " before, ", FormatShort(made.after, 5), " after; no prediction changed by more than ",
                    FormatShort(made.largest_change, 3)));
  for (const Json& gate : made.version.gates.array()) {
    terminal.Line(Str("  gate       ", gate.BoolAt("passed") ? terminal.Green("passed") : terminal.Red("FAILED"), "  ", gate.StringAt("name"), "  (", gate.StringAt("why"), ")"));
  }
  if (made.passed()) terminal.Line(terminal.Dim(Str("`tenon models promote ", made.version.id(), "` makes it the one that answers; `tenon models export` writes it out")));
  return made.passed() ? 0 : 1;
}

}  // namespace

void AddCompress(std::vector<Command>& to) {
  to.push_back({.name = "models compress",
                .summary = "Make a smaller version of a forest: fewer bits for leaves, fewer leaves, fewer trees; what it loses is measured and gated",
                .example = "tenon models compress loan-approval@1 --project examples/loan-approval --leaves f16 --trees fewest --max-loss 0.01",
                .flags = {{.name = "model", .help = "name, name@7, name@champion or name@latest", .required = true},
                          {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."},
                          {.name = "--leaves", .help = "what is kept of a leaf: f32 (all), f16 (half precision), u8 (one of 256 steps a tree)", .fallback = "f16", .choices = {"f32", "f16", "u8"}},
                          {.name = "--prune", .help = "tests whose leaves differ by less than this in the margin become leaves", .kind = Flag::Kind::kNumber, .fallback = "0"},
                          {.name = "--trees", .help = "so many, 'fewest' that keep the metric on the validation rows, or 'all'", .fallback = "all"},
                          {.name = "--metric", .help = "what must be kept; the version's own when not given"},
                          {.name = "--max-loss", .help = "of the metric on the test rows: the upper end of the interval of the loss", .kind = Flag::Kind::kNumber, .fallback = "0.002"},
                          {.name = "--slim", .help = "without the profiles that drift is measured against: for devices", .kind = Flag::Kind::kBool}},
                .run = Compress});
}

}  // namespace tenon::app

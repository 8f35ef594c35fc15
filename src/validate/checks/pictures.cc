// Pictures that cannot be read. In training such a one counts as none at all, so that nobody would notice.

#include <algorithm>

#include "base/text.h"
#include "platform/picture.h"
#include "validate/column_rules_internal.h"

namespace tenon::validate {
namespace {

constexpr std::int64_t kMostPixels = 25'000'000;  // as the transform has it where nothing else is written
constexpr int kLookedAt = 20;

// Whether a text begins as base64 of a PNG or JPEG does, also in a data: address.
bool LooksPicture(std::string_view text) {
  if (text.starts_with("data:image/")) return true;
  return text.starts_with("iVBORw0KGgo") || text.starts_with("/9j/");
}

// Columns that files were read into, that the user says hold pictures, or most of whose first values look so.
Result<bool> HoldsPictures(const Evidence& evidence, const std::string& name) {
  const Json* spec = evidence.snapshot->about().Find("spec");
  const Json* files = spec != nullptr ? spec->Find("files") : nullptr;
  const bool read = files != nullptr && files->Find(name) != nullptr;
  TENON_ASSIGN(const ColumnRules rules, RulesOf(evidence, name));
  if (rules.format == "picture") return true;
  int seen = 0;
  int pictures = 0;
  for (const table::Batch& batch : evidence.snapshot->batches()) {
    const table::Column& column = batch.column(batch.schema().Find(name));
    for (std::int64_t i = 0; i < batch.rows() && seen < kLookedAt; ++i) {
      if (column.IsNull(i)) continue;
      ++seen;
      pictures += LooksPicture(column.Text(i)) ? 1 : 0;
    }
  }
  return 2 * pictures > seen || (read && pictures > 0);  // files may hold other things than pictures
}

class Pictures final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    for (const table::Field& field : evidence.snapshot->schema().fields()) {
      if (field.type != table::Type::kString) continue;
      TENON_ASSIGN(const bool pictures, HoldsPictures(evidence, field.name));
      if (pictures) TENON_TRY(LookAt(call, evidence, field.name, &out));
    }
    return out;
  }

 private:
  static Result<void> LookAt(const Call& call, const Evidence& evidence, const std::string& name, std::vector<Anomaly>* out) {
    std::int64_t row = 0;
    std::int64_t present = 0;
    std::int64_t unreadable = 0;
    std::vector<std::string> first;
    for (const table::Batch& batch : evidence.snapshot->batches()) {
      const table::Column& column = batch.column(batch.schema().Find(name));
      for (std::int64_t i = 0; i < batch.rows(); ++i) {
        ++row;
        if (column.IsNull(i)) continue;
        TENON_TRY(call.Check());
        ++present;
        const auto bytes = platform::PictureBytes(column.Text(i));
        const auto picture = bytes.ok() ? platform::DecodePicture(*bytes, kMostPixels) : Result<platform::Picture>(Error(bytes.error().code(), std::string(bytes.error().message())));
        if (picture.ok()) continue;
        if (picture.error().code() != Code::kInvalidArgument) {  // the library is missing, which says nothing of the data
          out->push_back({"", name, Severity::kInfo, "pictures were not looked at", Str("'", name, "' holds pictures, and none was read: ", picture.error().message()), "install what is missing and validate again"});
          return {};
        }
        ++unreadable;
        if (first.size() < 3) first.push_back(Str("row ", row, " ", picture.error().message()));
      }
    }
    if (unreadable == 0) return {};
    out->push_back({"", name, Severity::kWarning, Str(FormatCount(unreadable), unreadable == 1 ? " picture cannot be read" : " pictures cannot be read"),
                    Str(FormatCount(unreadable), " of ", FormatCount(present), " pictures of '", name, "' cannot be read, and a network would see nothing in their place: ", Join(first, "; ")),
                    "mend or leave out these rows; `validate.severity: {pictures: error}` stops a run over them"});
    return {};
  }
};

}  // namespace

Result<void> AddPictures(Kinds<Check>& kinds) {
  return kinds.Add("pictures",
                   {.summary = "Find pictures that cannot be read",
                    .when = "Columns of pictures: `files:` of a source, or base64; an unreadable one counts as nothing in training",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Pictures>(); });
}

}  // namespace tenon::validate

#include "pipeline/kits.h"

namespace tenon::pipeline {

Result<Kits> Kits::Make() {
  Kits kits;
  TENON_TRY(ingest::AddAll(kits.readers));
  TENON_TRY(validate::AddAll(kits.checks));
  TENON_TRY(transform::AddAll(kits.ops));
  TENON_TRY(model::AddAll(kits.formats));
  TENON_TRY(model::AddAll(kits.importers));
  TENON_TRY(model::AddAll(kits.exporters));
  TENON_TRY(train::AddAll(kits.learners));
  TENON_TRY(evaluate::AddAll(kits.metrics));
  TENON_TRY(monitor::AddAll(kits.drift_tests));
  return kits;
}

}  // namespace tenon::pipeline

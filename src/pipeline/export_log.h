#pragma once

#include <string>

#include "base/call.h"
#include "platform/files.h"
#include "serve/inference_log.h"

namespace tenon::pipeline {

// Writes what an endpoint was asked and answered between two times as a table (csv, json_lines or parquet by the name of
// `out`): at, request_id, model, rung, decision, prediction (the number, or as many as there are: prediction_0 ...), then a column
// a field. Versions with other fields leave those missing. With `labels` a column `label`: what people said later that the answer should
// have been, missing where nothing was said. Whole or not at all; reads the log twice, in bounded memory but for the labels.
// Errors: not_found when there is nothing, invalid_argument when two versions give a field different types.
Result<serve::LogReport> ExportLog(const Call& call, platform::Files& files, const std::string& folder, std::string_view endpoint,
                                   Micros from, Micros until, const std::string& out, bool labels = false);

}  // namespace tenon::pipeline

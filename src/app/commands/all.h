#pragma once

#include <algorithm>

#include "app/command.h"
#include "base/text.h"
#include "pipeline/project.h"

namespace tenon::app {

void AddInit(std::vector<Command>& to);
void AddRun(std::vector<Command>& to);
void AddValidate(std::vector<Command>& to);
void AddData(std::vector<Command>& to);
void AddFeatures(std::vector<Command>& to);
void AddExchange(std::vector<Command>& to);
void AddModels(std::vector<Command>& to);
void AddCompress(std::vector<Command>& to);
void AddPredict(std::vector<Command>& to);
void AddServe(std::vector<Command>& to);    // serve and up
void AddRollout(std::vector<Command>& to);
void AddKeys(std::vector<Command>& to);
void AddOta(std::vector<Command>& to);
void AddLog(std::vector<Command>& to);
void AddMonitor(std::vector<Command>& to);
void AddOnline(std::vector<Command>& to);
void AddStream(std::vector<Command>& to);
void AddKeep(std::vector<Command>& to);
void AddTransform(std::vector<Command>& to);
void AddDoctor(std::vector<Command>& to);
void AddCompletion(std::vector<Command>& to);

// The project's folder as first argument of nearly every command.
inline Flag ProjectFlag() { return {.name = "project", .help = "folder with tenon.yaml", .fallback = "."}; }

}  // namespace tenon::app

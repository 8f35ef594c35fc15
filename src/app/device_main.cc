// tenon-device: keeps a device's model new and answers rows with it. The model is used through libtenon, as any other
// program on the device would.

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>

#include "app/command.h"
#include "app/signals.h"
#include "base/text.h"
#include "ota/device.h"
#include "platform/post.h"
#include "tenon.h"

namespace tenon::app {
namespace {

struct Freed {
  void operator()(tn_model* model) const { tn_close(model); }
  void operator()(tn_session* session) const { tn_session_close(session); }
};
using Model = std::unique_ptr<tn_model, Freed>;
using Session = std::unique_ptr<tn_session, Freed>;

Error Told(const tn_error& error) { return Error(error.code == TN_NOT_FOUND ? Code::kNotFound : Code::kFailedPrecondition, error.message); }

Result<Model> OpenModel(const std::string& path) {
  tn_error error;
  tn_model* model = nullptr;
  if (tn_open_file(path.c_str(), &model, &error) != TN_OK) return Told(error);
  return Model(model);
}

Command Described() {
  using Kind = Flag::Kind;
  Command command;
  command.name = "tenon-device";
  command.summary = "Keep a device's model new: fetch signed releases, prove them, fall back; answer rows of standard input meanwhile";
  command.example = "tenon-device --server 127.0.0.1:8090 --channel kiosks --id kiosk-17 --key release.pub --folder model";
  command.flags = {{.name = "--server", .help = "host:port of `tenon ota serve`, or https://host:port", .required = true},
                   {.name = "--channel", .help = "the device's channel", .required = true},
                   {.name = "--id", .help = "the device's name", .required = true},
                   {.name = "--key", .help = "PEM of the open key: whose releases it takes", .required = true},
                   {.name = "--ca", .help = "PEM of who signs the service's certificate; whom the system trusts otherwise"},
                   {.name = "--api-key", .help = "file with the API key that the service asks for"},
                   {.name = "--folder", .help = "the device's own folder", .fallback = "device"},
                   {.name = "--every", .help = "seconds between two looks", .kind = Kind::kNumber, .fallback = "60"},
                   {.name = "--once", .help = "one look, then end: status 0 unless the release was refused", .kind = Kind::kBool},
                   {.name = "--rows", .help = "JSON lines, one row each, to answer after the look; '-': standard input"},
                   {.name = "--least", .help = "the model is bad when the mean of its first outputs over the rows is below", .kind = Kind::kNumber, .fallback = "-1e308"},
                   {.name = "--most", .help = "or above", .kind = Kind::kNumber, .fallback = "1e308"}};
  return command;
}

// A row of JSON as the model's inputs want it; the texts live in `row`.
std::vector<tn_value> ValuesOf(const tn_model* model, const Json& row) {
  std::vector<tn_value> values(static_cast<std::size_t>(tn_inputs(model)), tn_value{std::nan(""), nullptr, 0});
  for (std::size_t i = 0; i < values.size(); ++i) {
    tn_input input{};
    if (tn_input_at(model, static_cast<std::int32_t>(i), &input, nullptr) != TN_OK) continue;
    const Json* value = row.Find(input.name);
    if (value == nullptr) continue;
    if (value->is_string()) values[i] = {std::nan(""), value->String().data(), value->String().size()};
    if (value->is_number()) values[i].number = value->Number();
    if (value->is_bool()) values[i].number = value->Bool() ? 1 : 0;
  }
  return values;
}

class Program {
 public:
  Program(std::stop_token stop, Terminal& terminal, platform::Files& files) : terminal_(terminal), files_(files) { call_.stop = std::move(stop); }

  Result<int> Run(const Args& args, bool json) {
    ota::DeviceSpec spec{.service = {}, .channel = args.Text("channel"), .id = args.Text("id"), .folder = args.Text("folder"), .open_key = {}};
    TENON_ASSIGN(spec.service, ServiceOf(args));
    TENON_ASSIGN(spec.open_key, files_.Read(args.Text("key")), "the open key");
    TENON_ASSIGN(device_, ota::Device::Open(files_, spec, [](const std::string& path) -> Result<void> {
                   TENON_TRY(OpenModel(path));
                   return {};
                 }));
    const bool once = args.Bool("once");
    const double every = args.Number("every");
    if (!(every >= 0.01)) return Error(Code::kInvalidArgument, "--every is at least 0.01 seconds");
    while (true) {
      const int status = Look(args, json);
      if (once) return status;
      const auto next = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(every));
      while (!call_.stop.stop_requested() && std::chrono::steady_clock::now() < next) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (call_.stop.stop_requested()) return 0;
    }
  }

 private:
  // "host:port", or an address with http:// or https://.
  Result<ota::Origin> ServiceOf(const Args& args) const {
    const std::string server = args.Text("server");
    const bool whole = server.find("://") != std::string::npos;
    if (!whole && server.rfind(':') == std::string::npos) return Error(Code::kInvalidArgument, Str("--server is host:port or https://host:port, not '", server, "'"));
    TENON_ASSIGN(const platform::Url url, platform::ParseUrl(whole ? server : Str("http://", server)), "--server");
    if (url.path != "/") return Error(Code::kInvalidArgument, Str("--server is host:port or https://host:port without a path, not '", server, "'"));
    ota::Origin origin{.host = url.host, .port = url.port, .tls = url.tls, .ca = args.Text("ca"), .key = {}};
    if (!origin.tls && !origin.ca.empty()) return Error(Code::kInvalidArgument, Str("--ca goes with https://, and --server is '", server, "'"));
    if (const std::string file = args.Text("api-key"); !file.empty()) {
      TENON_ASSIGN(const std::string text, files_.Read(file), "the API key");
      origin.key = Trim(text);
      if (origin.key.empty()) return Error(Code::kInvalidArgument, Str(file, " has no API key in it"));
    }
    return origin;
  }

  int Look(const Args& args, bool json) {
    Result<std::string> polled = device_->Poll(call_);
    Json line;
    line["device"] = args.Text("id");
    line["model"] = device_->model();
    line["release"] = device_->number();
    const bool reached = polled.ok() || (polled.error().code() != Code::kUnavailable && polled.error().code() != Code::kDeadlineExceeded);
    line["reached"] = reached;
    line["said"] = polled ? *polled : polled.error().ForPeople();
    int status = polled.ok() || !reached ? 0 : RowOf(polled.error().code()).exit;
    if (Result<std::int64_t> answered = Answer(args, &line); !answered) {
      line["said"] = answered.error().ForPeople();
      status = RowOf(answered.error().code()).exit;
    }
    json ? terminal_.JsonLine(line) : terminal_.Line(Str(line.StringAt("device"), ": ", line.StringAt("said")));
    return status;
  }

  // Answers the rows with the model in use; with the one before when that turns out to be bad.
  Result<std::int64_t> Answer(const Args& args, Json* line) {
    const std::string rows = args.Text("rows");
    if (rows.empty()) return std::int64_t{0};
    if (rows_.empty()) TENON_TRY(ReadRows(rows));
    if (!device_->has_model()) return Error(Code::kFailedPrecondition, "there is no model on the device yet");
    auto mean = AnswerAll();
    const bool good = mean.ok() && *mean >= args.Number("least") && *mean <= args.Number("most");
    if (!good) {
      const std::string why = mean ? Str("the mean answer ", FormatShort(*mean), " is not within ", FormatShort(args.Number("least")), " to ", FormatShort(args.Number("most"))) : mean.error().ForPeople();
      TENON_TRY(device_->FallBack(why));
      (*line)["fell_back"] = why;
      TENON_ASSIGN(mean, AnswerAll());
    }
    (*line)["model"] = device_->model();
    (*line)["answered"] = rows_.size();
    (*line)["mean"] = *mean;
    Json entry;
    entry["at"] = call_.Now();
    entry["model"] = device_->model();
    entry["answered"] = rows_.size();
    entry["mean"] = *mean;
    TENON_TRY(device_->Note(entry));
    return static_cast<std::int64_t>(rows_.size());
  }

  Result<void> ReadRows(const std::string& path) {
    std::string text;
    if (path == "-") {
      text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
      TENON_ASSIGN(text, files_.Read(path));
    }
    for (const std::string& one : Split(text, '\n')) {
      if (Trim(one).empty()) continue;
      TENON_ASSIGN(Json row, Json::Parse(one, path));
      rows_.push_back(std::move(row));
    }
    if (rows_.empty()) return Error(Code::kInvalidArgument, Str(path, " has no row"));
    return {};
  }

  Result<double> AnswerAll() const {
    TENON_ASSIGN(const Model model, OpenModel(device_->path()));
    tn_error error;
    tn_session* opened = nullptr;
    if (tn_session_open(model.get(), &opened, &error) != TN_OK) return Told(error);
    const Session session(opened);
    std::vector<float> values(static_cast<std::size_t>(tn_outputs(model.get())));
    double sum = 0;
    for (const Json& row : rows_) {
      const std::vector<tn_value> given = ValuesOf(model.get(), row);
      if (tn_predict(session.get(), given.data(), values.data(), nullptr, &error) != TN_OK) return Told(error);
      sum += static_cast<double>(values[0]);
    }
    const double mean = sum / static_cast<double>(rows_.size());
    if (!std::isfinite(mean)) return Error(Code::kFailedPrecondition, "its answers are no numbers");
    return mean;
  }

  Call call_;
  Terminal& terminal_;
  platform::Files& files_;
  std::unique_ptr<ota::Device> device_;
  std::vector<Json> rows_;
};

}  // namespace
}  // namespace tenon::app

int main(int argc, char** argv) {
  using namespace tenon;
  std::stop_source stop;
  app::StopOnSignals(stop);
  app::Terminal terminal;
  auto files = platform::RealFiles();
  app::Leave(terminal, [&] {
    app::Program program(stop.get_token(), terminal, *files);
    return app::RunOnly(argc, argv, terminal, app::Described(), [&program](const app::Args& args, bool json) { return program.Run(args, json); });
  });
}

#include <cstdlib>

#include "base/testing.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

std::string MetricsOf(const ServerOptions& options) {
  serve::Endpoints endpoints;
  Shared shared(endpoints, nullptr, {}, options);
  Worker worker(shared, 0);
  HttpRequest request;
  request.path = "/metrics";
  HttpResponse response;
  worker.Handle(request, HttpPeer{1}, response);
  return response.body;
}

double ValueOf(const std::string& page, const std::string& sample) {
  const std::size_t at = page.find("\n" + sample + " ");
  return at == std::string::npos ? -1 : std::strtod(page.c_str() + at + sample.size() + 2, nullptr);
}

TEST(CostTest, IsThePriceOfTheTimeThatWasUsedAndKept) {
  ServerOptions options;
  options.threads = 2;
  EXPECT_EQ(MetricsOf(options).find("tenon_cost_total"), std::string::npos);
  options.price = {7200, "EUR"};
  const std::string page = MetricsOf(options);
  EXPECT_DOUBLE_EQ(ValueOf(page, R"(tenon_cost_total{of="used",unit="EUR"})"), 2 * ValueOf(page, "process_cpu_seconds_total")) << page;
  EXPECT_GT(ValueOf(page, R"(tenon_cost_total{of="kept",unit="EUR"})"), 0) << page;
}

}  // namespace
}  // namespace tenon::edge

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstring>
#include <memory>
#include <string>

#include "registry/serve/infer_codec.h"
#include "registry/serve/model_server.h"
#include "runtime/base/check.h"
#include "tests/registry/serve/tensors.h"

/// The head is lines, "METHOD target" and then headers; a blank line; the body. Every request is answered once: with 200,
/// or with an error that is JSON and a status that blames the request, never the server.

namespace muster::registry::serve {
namespace {

/// y = the rows' first cells.
class FirstCells final : public InferenceModel {
 public:
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) override {
    MUSTER_RETURN_IF_ERROR(CheckInputs(inputs_, inputs));
    const auto values = Values<float>(inputs[0]);
    std::vector<float> first;
    for (std::size_t i = 0; i < values.size(); i += 2) first.push_back(values[i]);
    return std::vector<Tensor>{MakeTensor("y", ElementType::kF32, {inputs[0].shape[0], 1}, first)};
  }

 private:
  std::vector<TensorSpec> inputs_{{"x", ElementType::kF32, {-1, 2}}};
  std::vector<TensorSpec> outputs_{{"y", ElementType::kF32, {-1, 1}}};
};
class Engine final : public InferenceEngine {
 public:
  Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path&, int) override {
    return std::unique_ptr<InferenceModel>(std::make_unique<FirstCells>());
  }
  [[nodiscard]] std::string name() const override { return "first"; }
};

struct Site {
  Site() {
    server.AddRoutes(router, Container{.health_route = "/alive", .predict_route = "/predict"});
    MUSTER_CHECK(server.Load({"m", 1, "/nowhere"}).ok(), "the model loads");
  }
  Engine engine;
  ModelRepository repository{"/nowhere"};
  ModelServer server{engine,
                     {.body_max = 1 << 16,
                      .repository = &repository,
                      .access_log = [](const AccessRecord& record) {
                        const std::string line = AccessLine(record);
                        boost::system::error_code failed;
                        boost::json::parse(line, failed);
                        MUSTER_CHECK(!failed && line.find('\n') + 1 == line.size(), line.c_str());
                      }}};
  http::Router router;
};

void Judge(http::Response response) {
  const auto coding = response.headers.find("Content-Encoding");
  if (coding != response.headers.end()) {
    response.body = Unpack(response.body, coding->second, 1 << 20).value();
  }
  MUSTER_CHECK(response.status >= 200 && response.status < 500, response.body.c_str());
  const auto type = response.headers.find("Content-Type");
  if (type == response.headers.end() || type->second != "application/json") {
    MUSTER_CHECK(response.status < 400, response.body.c_str());
    return;
  }
  boost::system::error_code failed;
  boost::json::parse(response.body, failed);
  MUSTER_CHECK(!failed, response.body.c_str());
}

std::string_view TakeLine(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

/// Nothing where no server's parser would let the head through.
std::optional<http::Request> RequestOf(std::string_view bytes) {
  const std::string_view first = TakeLine(bytes);
  const std::size_t space = first.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  http::Request request{.method = std::string(first.substr(0, space))};
  const auto visible = [](char c) { return c > ' ' && c < 127; };
  if (!std::ranges::all_of(request.method, visible)) return std::nullopt;
  http::SetTarget(request, first.substr(space + 1));
  for (auto line = TakeLine(bytes); !line.empty(); line = TakeLine(bytes)) {
    const std::size_t colon = std::min(line.find(": "), line.size());
    if (colon < line.size()) {
      request.headers[std::string(line.substr(0, colon))] = line.substr(colon + 2);
    }
  }
  request.body = bytes;
  return request;
}

}  // namespace
}  // namespace muster::registry::serve

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace muster;
  using namespace muster::registry::serve;
  static Site site;
  auto request = RequestOf({reinterpret_cast<const char*>(data), size});
  // What unloads the model would leave nothing for the next inputs.
  if (!request || request->path.ends_with("unload") || request->method == "DELETE") return 0;
  int answers = 0;
  site.router.Dispatch(std::move(*request), [&](http::Response response) {
    ++answers;
    Judge(std::move(response));
  });
  MUSTER_CHECK(answers == 1, "one answer to a request");
  return 0;
}

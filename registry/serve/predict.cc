#include <memory>
#include <utility>

#include "registry/serve/batch.h"
#include "registry/serve/model_server.h"

namespace muster::registry::serve {
namespace {

/// The client is not to blame.
bool IsOurs(const Error& error) { return StatusOf(error) >= 500; }

}  // namespace

void ModelServer::Predict(const Protocol& protocol, const http::Request& request,
                          http::Respond respond) {
  Call call{&protocol, clock_.Now(), std::move(respond), nullptr, nullptr, {}, {}};
  auto found = protocol.find(*this, request);
  if (!found.ok()) return call.respond(protocol.failed(found.error()));
  call.served = std::move(*found);
  // Who asks for one version is not part of the draw.
  if (experimenting_ && request.captures.find("version") == request.captures.end()) {
    call.experiment = ExperimentOn(call.served->name);
    if (call.experiment != nullptr) call.served = call.experiment->Choose(request);
  }
  auto question = protocol.decode(request, *call.served);
  if (!question.ok()) return Finish(call, question.error());
  call.encode = std::move(question->encode);
  Compute(std::move(call), std::move(question->inputs), question->timeout);
}

void ModelServer::Compute(Call call, std::vector<Tensor> inputs,
                          std::optional<std::chrono::microseconds> timeout) {
  call.rows = RowsOf(inputs).value_or(1);
  const ServedModel& served = *call.served;
  if (call.experiment != nullptr && call.experiment->WantsCopies()) call.copied = inputs;
  if (served.batcher == nullptr) return Encode(call, served.model->Infer(inputs));
  // A call that is wrong by itself is not to cost its neighbours theirs.
  if (const Status fits = CheckInputs(served.model->inputs(), inputs); !fits.ok()) {
    return Finish(call, fits.error());
  }
  std::optional<MonotonicTime> deadline;
  if (timeout) deadline = call.start + *timeout;
  const auto waits = std::make_shared<Call>(std::move(call));
  const bool taken = served.batcher->Infer(
      std::move(inputs), deadline,
      [this, waits](const Result<std::vector<Tensor>>& outputs) { Encode(*waits, outputs); });
  if (taken) return;
  const auto duration = clock_.Now() - waits->start;
  served.stats->Failed(duration);
  if (waits->experiment != nullptr) waits->experiment->Answered(served, false, duration);
  http::Response busy =
      waits->protocol->failed(Unavailable(std::to_string(options_.batch.queue) +
                                          " requests wait for '" + served.name + "'; try again"));
  busy.status = 429;
  busy.headers["Retry-After"] = "1";
  waits->respond(std::move(busy));
}

void ModelServer::Encode(Call& call, const Result<std::vector<Tensor>>& outputs) {
  if (!call.copied.empty() && outputs.ok()) call.experiment->Copy(std::move(call.copied), *outputs);
  Finish(call, outputs.ok() ? call.encode(*call.served, *outputs)
                            : Result<http::Response>(outputs.error()));
}

void ModelServer::Finish(const Call& call, Result<http::Response> response) {
  const auto duration = clock_.Now() - call.start;
  const bool answered = response.ok();
  if (call.experiment != nullptr && (answered || IsOurs(response.error()))) {
    call.experiment->Answered(*call.served, answered, duration);
  }
  if (answered) {
    call.served->stats->Succeeded(duration, call.rows);
    return call.respond(std::move(response).value());
  }
  call.served->stats->Failed(duration);
  call.respond(call.protocol->failed(response.error()));
}

}  // namespace muster::registry::serve

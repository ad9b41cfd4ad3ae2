#include <memory>
#include <utility>

#include "registry/serve/batch.h"
#include "registry/serve/model_server.h"

namespace muster::registry::serve {

namespace {

FailureReason ReasonOf(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kUnavailable:
      return FailureReason::kRejected;
    case ErrorKind::kInternal:
    case ErrorKind::kResource:
      return FailureReason::kBackend;
    default:
      return FailureReason::kOther;
  }
}

/// The client is not to blame.
bool IsOurs(const Error& error) { return StatusOf(error) >= 500; }

}  // namespace

Envelope ModelServer::Open(const http::Request& request) {
  // An odd multiplier spreads the count over all digits and repeats none.
  constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15;
  return EnvelopeOf(request, clock_.Now(), first_id_ + kSpread * ++requests_);
}

void ModelServer::Close(const Envelope& envelope, std::string_view method, std::string_view route,
                        const ServedModel* served, const RequestTimes& times,
                        http::Response& response) const {
  Seal(envelope, response);
  if (!options_.access_log) return;
  AccessRecord record{.time = clock_.UnixNow(),
                      .request_id = envelope.request_id,
                      .method = method,
                      .route = route,
                      .status = response.status,
                      .bytes_in = envelope.bytes_in,
                      .bytes_out = response.body.size(),
                      .total = clock_.Now() - envelope.start,
                      .queue = times.queue,
                      .compute = times.infer,
                      .traceparent = envelope.traceparent,
                      .tracestate = envelope.tracestate};
  if (served != nullptr) {
    record.model = served->name;
    record.version = served->version;
  }
  options_.access_log(record);
}

void ModelServer::Predict(const Protocol& protocol, std::string_view route,
                          const http::Request& request, http::Respond respond) {
  Call call{&protocol, std::move(respond), Open(request)};
  if (options_.access_log) call.route = route;
  auto found = protocol.find(*this, request);
  if (!found.ok()) return Answer(call, protocol.failed(found.error()));
  call.served = std::move(*found);
  if (call.served->watch != nullptr) call.segment = request.Header(kSegmentHeader);
  // Who asks for one version is not part of the draw.
  if (experimenting_ && request.captures.find("version") == request.captures.end()) {
    call.experiment = ExperimentOn(call.served->name);
    if (call.experiment != nullptr) call.served = call.experiment->Choose(request);
  }
  const std::string_view coding = request.Header("Content-Encoding");
  Result<std::string> unpacked = std::string();
  const bool packed = !coding.empty() && coding != "identity";
  if (packed) unpacked = Unpack(request.body, coding, options_.body_max);
  if (!unpacked.ok()) return Finish(call, unpacked.error());
  auto question = protocol.decode(request, packed ? *unpacked : request.body, *call.served);
  if (!question.ok()) return Finish(call, question.error());
  call.encode = std::move(question->encode);
  call.id = std::move(question->id);
  call.times.input = clock_.Now() - call.envelope.start;
  Compute(std::move(call), std::move(question->inputs), question->timeout);
}

void ModelServer::Compute(Call call, std::vector<Tensor> inputs,
                          std::optional<std::chrono::microseconds> timeout) {
  call.rows = RowsOf(inputs).value_or(1);
  const ServedModel& served = *call.served;
  if (served.batcher == nullptr) {
    Execution alone{.rows = call.rows, .first = true, .inputs = &inputs};
    const MonotonicTime begun = clock_.Now();
    const auto outputs = served.model->Infer(inputs);
    alone.times.infer = clock_.Now() - begun;
    return Encode(call, outputs, alone);
  }
  // A call that is wrong by itself is not to cost its neighbours theirs.
  if (const Status fits = CheckInputs(served.model->inputs(), inputs); !fits.ok()) {
    return Finish(call, fits.error());
  }
  std::optional<MonotonicTime> deadline;
  if (timeout) deadline = call.envelope.start + *timeout;
  const auto waits = std::make_shared<Call>(std::move(call));
  const bool taken = served.batcher->Infer(
      std::move(inputs), deadline,
      [this, waits](const Result<std::vector<Tensor>>& outputs, const Execution& execution) {
        Encode(*waits, outputs, execution);
      });
  if (!taken) Busy(*waits);
}

void ModelServer::Encode(Call& call, const Result<std::vector<Tensor>>& outputs,
                         const Execution& execution) {
  if (execution.first && outputs.ok())
    call.served->stats->Executed(execution.rows, execution.times);
  call.times.queue = execution.times.queue;
  call.times.input += execution.times.input;
  call.times.infer = execution.times.infer;
  if (!outputs.ok()) {
    Observe(call, execution, nullptr);
    return Finish(call, outputs.error());
  }
  if (call.experiment != nullptr && call.experiment->WantsCopies()) {
    call.experiment->Copy(*execution.inputs, *outputs);
  }
  const MonotonicTime computed = clock_.Now();
  auto response = call.encode(*call.served, *outputs);
  call.times.output = execution.times.output + (clock_.Now() - computed);
  Finish(call, std::move(response));
  Observe(call, execution, &*outputs);  // the answer is on its way
}

void ModelServer::Observe(const Call& call, const Execution& execution,
                          const std::vector<Tensor>* outputs) const {
  if (call.served->watch == nullptr) return;
  call.served->watch->Observe({.id = IdOf(call),
                               .inputs = execution.inputs,
                               .outputs = outputs,
                               .ok = outputs != nullptr,
                               .duration = std::chrono::duration_cast<std::chrono::microseconds>(
                                   clock_.Now() - call.envelope.start),
                               .time_ms = clock_.UnixNow(),
                               .segment = call.segment});
}

const std::string& ModelServer::IdOf(const Call& call) {
  return call.id.empty() ? call.envelope.request_id : call.id;
}

void ModelServer::Finish(Call& call, Result<http::Response> response) {
  call.times.total = clock_.Now() - call.envelope.start;
  if (call.experiment != nullptr && (response.ok() || IsOurs(response.error()))) {
    call.experiment->Answered(*call.served, IdOf(call), response.ok(), call.times.total);
  }
  if (!response.ok()) {
    call.served->stats->Failed(call.times.total, ReasonOf(response.error()));
    return Answer(call, call.protocol->failed(response.error()));
  }
  call.served->stats->Succeeded(call.times, call.rows, clock_.UnixNow());
  Answer(call, std::move(*response));
}

void ModelServer::Busy(Call& call) {
  const auto waited = clock_.Now() - call.envelope.start;
  call.served->stats->Failed(waited, FailureReason::kRejected);
  if (call.experiment != nullptr)
    call.experiment->Answered(*call.served, IdOf(call), false, waited);
  http::Response busy = call.protocol->failed(Unavailable(std::to_string(options_.batch.queue) +
                                                          " requests wait for '" +
                                                          call.served->name + "'; try again"));
  busy.status = 429;
  busy.headers["Retry-After"] = "1";
  Answer(call, std::move(busy));
}

void ModelServer::Answer(Call& call, http::Response response) const {
  Close(call.envelope, "POST", call.route, call.served.get(), call.times, response);
  call.respond(std::move(response));
}

}  // namespace muster::registry::serve

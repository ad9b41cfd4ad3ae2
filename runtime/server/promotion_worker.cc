#include "runtime/server/promotion_worker.h"

#include "runtime/base/log.h"
#include "runtime/wire/api.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/sweep_spec.h"

namespace muster::server {
namespace {

wire::PromotionSummary Summarize(const coordinator::PromoteModel& command,
                                 const registry::PromotionResult& result) {
  wire::PromotionSummary summary;
  summary.state = result.promoted ? "promoted" : "kept";
  summary.model = result.model;
  summary.alias = result.alias;
  summary.reason = result.reason;
  summary.version = result.version;
  summary.trial = command.trial.value;
  for (const auto& verdict : result.verdicts) {
    summary.gates.push_back(
        {verdict.gate, verdict.passed, verdict.seen, verdict.wanted, verdict.detail});
  }
  return summary;
}

}  // namespace

Result<registry::Candidate> CandidateOf(const coordinator::PromoteModel& command) {
  MUSTER_ASSIGN_OR_RETURN(const auto spec, wire::SweepSpecFromJson(command.spec));
  if (!spec.model) return Invalid("sweep " + command.sweep.value + " names no model");
  if (spec.trial.program.empty()) {
    return Unsupported("only a trial with a program (not a command) can be exported to ONNX");
  }
  if (command.checkpoint.empty()) {
    return Unsupported("trial " + command.trial.value + " published no checkpoint to export");
  }
  MUSTER_ASSIGN_OR_RETURN(auto params, wire::Decode<boost::json::object>(command.params_json));
  registry::Candidate candidate;
  candidate.request_id = command.sweep.value + "/promotion";
  candidate.program = spec.trial.program;
  candidate.model = *spec.model;
  candidate.author = command.user;
  candidate.lineage.sweep = command.sweep.value;
  candidate.lineage.trial = command.trial.value;
  candidate.lineage.run_id = command.run.value;
  candidate.lineage.checkpoint = command.checkpoint;
  if (const auto* inner = params.if_contains("params"); inner != nullptr && inner->is_object()) {
    candidate.lineage.params = inner->get_object();
  }
  candidate.lineage.data = spec.data;
  if (spec.code) candidate.lineage.code = *spec.code;
  return candidate;
}

PromotionWorker::PromotionWorker(registry::Promoter& promoter)
    : promoter_(promoter), thread_([this] { Loop(); }) {}

PromotionWorker::~PromotionWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void PromotionWorker::Promote(coordinator::PromoteModel command, Done done) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(command), std::move(done)});
  }
  wake_.notify_all();
}

void PromotionWorker::Loop() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    RunOne(job);
  }
}

void PromotionWorker::RunOne(const Job& job) {
  const auto candidate = CandidateOf(job.command);
  if (!candidate.ok()) return job.done(candidate.error());
  LogInfo("registry",
          "judging trial " + job.command.trial.value + " for model " + candidate->model.name);
  const auto result = promoter_.Run(*candidate);
  if (!result.ok()) {
    LogWarning("registry",
               "promotion of " + job.command.trial.value + ": " + result.error().message);
    return job.done(result.error());
  }
  LogInfo("registry", candidate->model.name + ": " + result->reason);
  job.done(wire::ToJson(Summarize(job.command, *result)).as_object());
}

}  // namespace muster::server

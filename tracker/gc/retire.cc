#include "tracker/gc/retire.h"

#include <algorithm>
#include <future>

#include "tracker/gc/registered_sources.h"

namespace muster::tracker {

namespace {

RunFacts FactsOf(const Run& run, const std::string& metric) {
  RunFacts facts{
      .run_id = run.info.run_id,
      .start_time_ms = run.info.start_time_ms,
      .ended = run.info.status != RunStatus::kRunning && run.info.status != RunStatus::kScheduled};
  const auto found = std::ranges::find(run.metrics, metric, &Metric::key);
  if (found != run.metrics.end()) facts.metric = found->value;
  return facts;
}

Result<std::vector<RunFacts>> ReadFacts(RunStore& runs, const GcPolicy& policy,
                                        const std::string& experiment_id) {
  constexpr std::int64_t kPage = 1'000;
  std::vector<RunFacts> facts;
  SearchQuery query{
      .experiment_ids = {experiment_id}, .filter = policy.filter, .max_results = kPage};
  do {
    MUSTER_ASSIGN_OR_RETURN(auto page, runs.SearchRuns(query));
    for (const Run& run : page.items) facts.push_back(FactsOf(run, policy.metric));
    query.page_token = std::move(page.next_page_token);
  } while (!query.page_token.empty());
  return facts;
}

/// Hands all writes in, so that few commits carry them, then waits.
Status DeleteSoftly(RunStore& runs, const std::vector<RunId>& ids) {
  constexpr std::size_t kAtOnce = 200;
  for (std::size_t at = 0; at < ids.size(); at += kAtOnce) {
    std::vector<std::future<Status>> under_way;
    for (std::size_t i = at; i < std::min(ids.size(), at + kAtOnce); ++i) {
      auto done = std::make_shared<std::promise<Status>>();
      under_way.push_back(done->get_future());
      runs.SetRunDeleted(ids[i], true, [done](const Status& status) { done->set_value(status); });
    }
    for (auto& one : under_way) MUSTER_RETURN_IF_ERROR(one.get());
  }
  return Ok();
}

}  // namespace

Status RetireRuns(const GcParts& parts, const GcPolicy& policy,
                  const std::vector<std::string>& experiment_ids, GcProgress& progress) {
  for (const std::string& experiment : experiment_ids) {
    MUSTER_ASSIGN_OR_RETURN(auto facts, ReadFacts(parts.runs, policy, experiment));
    std::vector<RunId> retired = RunsToRetire(std::move(facts), policy);
    MUSTER_ASSIGN_OR_RETURN(const auto sources, RegisteredSources::Load(parts.models));
    std::erase_if(retired, [&](const RunId& run) {
      auto version = sources.OfRun(run.value);
      const auto found = parts.runs.GetRun(run);
      if (!version && found.ok()) version = sources.At(found->info.artifact_uri);
      if (version) progress.Kept("run " + run.value + ": " + *version + " comes from it");
      return version.has_value();
    });
    if (!policy.dry_run) MUSTER_RETURN_IF_ERROR(DeleteSoftly(parts.runs, retired));
    progress.report.retired += std::ssize(retired);
    MUSTER_RETURN_IF_ERROR(progress.Step());
  }
  return Ok();
}

}  // namespace muster::tracker

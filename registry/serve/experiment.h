#pragma once

#include <boost/json/object.hpp>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "registry/rollout/rollout.h"
#include "registry/serve/served_model.h"
#include "registry/serve/shadow.h"
#include "runtime/base/clock.h"
#include "runtime/wire/http.h"

namespace muster::registry::serve {

struct ExperimentOptions {
  /// With it the challenger computes copies of the champion's requests and answers nobody; else `rollout` deals requests.
  std::optional<ShadowOptions> shadow;
  RolloutSpec rollout = {};
  /// Who sends this header stays on one side; without it each request is drawn by itself.
  std::string sticky_header = "X-Muster-Key";
};

/// A challenger beside the champion of a model's name: which requests it gets, what became of them, and what was decided.
/// It decides by itself, at the answer that makes the difference: going back waits for no person and no network. Any
/// thread.
class Experiment {
 public:
  /// The options have passed CheckRollout. `clock` must outlive it.
  Experiment(ServedPtr champion, ServedPtr challenger, ExperimentOptions options,
             const Clock& clock);

  [[nodiscard]] const ServedPtr& champion() const { return champion_; }
  [[nodiscard]] const ServedPtr& challenger() const { return challenger_; }
  [[nodiscard]] Rollout::State state() const;

  /// The champion or the challenger. A request that asks for one version is not to be asked about here.
  ServedPtr Choose(const http::Request& request);
  /// A request of Choose's was answered; `success` false: through the model's fault. Never of a bad request.
  void Answered(const ServedModel& by, std::string_view id, bool success,
                std::chrono::nanoseconds duration);
  /// The truth about an earlier answer. Of a request that Choose did not deal, or one that is forgotten, nothing is learnt.
  void Labelled(const ServedModel& by, std::string_view id, bool right);
  /// Copies of a champion's request are wanted now: ask before keeping its inputs.
  [[nodiscard]] bool WantsCopies() const;
  void Copy(std::vector<Tensor> inputs, const std::vector<Tensor>& outputs);

  /// Nothing is dealt to the challenger from here on.
  void GoBack(std::string reason);

  /// {"model", "champion", "challenger", "mode": "canary" | "ab" | "shadow", "state", "share", "decisions":
  /// [{"time", "state", "share", "reason"}], "arms" | "shadow": figures}. Times in milliseconds since 1970.
  [[nodiscard]] boost::json::object Describe() const;
  /// The newest of the decisions, of the same form.
  [[nodiscard]] boost::json::object LastDecision() const;

 private:
  void Look();
  [[nodiscard]] boost::json::object Decision(std::size_t index) const;

  const ServedPtr champion_, challenger_;
  const ExperimentOptions options_;
  const Clock& clock_;
  std::unique_ptr<Shadow> shadow_;  ///< null: a rollout
  mutable std::mutex mutex_;        ///< guards what follows
  Rollout rollout_;
  std::vector<UnixMillis> decided_at_;
  std::uint64_t requests_ = 0;
  std::unordered_set<std::string> dealt_;  ///< ids of the newest requests
  std::deque<std::string> dealt_order_;    ///< oldest first
};

}  // namespace muster::registry::serve

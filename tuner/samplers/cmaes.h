#pragma once

#include <memory>
#include <optional>
#include <set>

#include "tuner/sampler.h"
#include "tuner/samplers/change_reader.h"
#include "tuner/samplers/cmaes_descent.h"
#include "tuner/samplers/cmaes_space.h"
#include "tuner/samplers/random.h"

namespace muster::tuner {

/// CMA-ES for trials that end in any order: scrambled Sobol points first, then descents (cmaes_descent.h) from
/// the best trial, or, when there is a longer history by others or imported trials, from the best one with
/// the spread of the best tenth; restarts as BIPOP-CMA-ES does (Hansen, "Benchmarking a BI-Population
/// CMA-ES on the BBOB-2009 Function Testbed"): larger and larger populations, and small ones in between
/// that cost as much in all.
///
/// State is computed from the changes of the history alone: what a trial was proposed for is found by its
/// parameters, so trials that others proposed, by hand or by another sampler, are injected like late ones.
/// No point comes twice unless nothing else can be drawn.
class CmaesSampler final : public Sampler {
 public:
  /// kInvalid for several objectives, and for a space without a number that can vary.
  static Status Check(const SearchSpec& spec);

  explicit CmaesSampler(const SearchSpec& spec);
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

  /// Finished trials that taught the distribution something, as a share of all that could have: without lost
  /// ones and without those that wait for the generation to close.
  [[nodiscard]] double UsedShare(const History& history);

 private:
  void Read(const History& history);
  void Forget();
  void ReadStart(const Trial& trial);
  void ReadFinish(const Trial& trial);
  [[nodiscard]] bool CanBegin() const { return archive_.size() >= start_points_; }
  [[nodiscard]] CmaDescent Begin() const;
  [[nodiscard]] CmaDescent NextDescent();
  [[nodiscard]] bool Tried(const Point& point) const;
  Result<Suggestion> Other(std::int64_t number, const CmaDescent& descent) const;

  std::shared_ptr<const Space> space_;
  CmaSpace coordinates_;
  std::uint64_t seed_;
  std::size_t start_points_ = 0, lambda_ = 0;

  SeenPoints seen_;
  ChangeReader reader_;
  // All of the following is a function of the changes that were read.
  std::set<Point> tried_;  ///< inactive coordinates as -1
  std::vector<Told> archive_;
  std::vector<std::size_t> best_;  ///< the first in the archive, by rank
  std::optional<CmaDescent> descent_;
  std::size_t descents_ = 0;
  std::size_t used_ = 0;  ///< in descents that ended
  std::size_t large_lambda_ = 0, large_told_ = 0, small_told_ = 0;
  bool small_ = false;
};

}  // namespace muster::tuner

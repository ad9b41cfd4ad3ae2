#pragma once

#include <memory>
#include <set>
#include <vector>

#include "tuner/insight/pareto.h"
#include "tuner/sampler.h"
#include "tuner/samplers/change_reader.h"
#include "tuner/samplers/random.h"

namespace muster::tuner {

/// NSGA-II for trials that end in any order: Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist
/// Multiobjective Genetic Algorithm" (2002), in its steady-state form. The population is the best of all
/// trials that have ended, by constrained domination, then by crowding: each end puts one in and the worst one
/// out. A child has two parents from binary tournaments. Numbers: simulated binary crossover and polynomial
/// mutation in [0, 1] (Deb and Agrawal 1995; Deb and Goyal 1996); choices: either parent's value, or any.
///
/// A failed trial is worse than every other, a pruned one worse than those that ran to their end. One objective
/// is allowed. Starts with scrambled Sobol points; no point comes twice unless nothing else is bred.
class Nsga2Sampler final : public Sampler {
 public:
  explicit Nsga2Sampler(const SearchSpec& spec);
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  struct Individual {
    Point point;
    Losses losses;
    double violation = 0;
    std::size_t rank = 0;
    double crowding = 0;
  };
  void Read(const History& history);
  void Enter(const Trial& trial);
  void RankAll();
  [[nodiscard]] const Individual& Tournament(Random& random) const;
  [[nodiscard]] Point Child(Random& random) const;
  [[nodiscard]] Point Start(std::int64_t number) const;

  std::shared_ptr<const Space> space_;
  std::uint64_t seed_;
  std::size_t objectives_, start_points_;
  SeenPoints seen_;
  ChangeReader reader_;
  std::set<Point> tried_;               ///< inactive coordinates as -1
  std::vector<Individual> population_;  ///< oldest first
};

}  // namespace muster::tuner

#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "runtime/base/random.h"
#include "tuner/samplers/cmaes_model.h"
#include "tuner/samplers/cmaes_space.h"
#include "tuner/samplers/lq_model.h"

namespace muster::tuner {

/// A finished trial.
struct Told {
  CmaSpace::Place place;
  Rank rank;
};

/// One descent of CMA-ES, from a start to its end, for trials that end in any order.
///
/// A generation is a list of lambda candidates. Trials that end are matched with the candidates; those of
/// earlier generations, and trials that others proposed, come in as injected points: every trial that ends is
/// used in exactly one update. The generation closes when lambda trials have ended in it. It closes earlier
/// when a quadratic that was fitted to the trials so far orders the last of them as they came out (Kendall's
/// tau >= 0.85); the candidates that were not tried then take part with what the quadratic says of them, as
/// in lq-CMA-ES (Hansen, "A Global Surrogate Assisted CMA-ES", GECCO 2019), and its least point within the
/// distribution is the first candidate of the next generation.
///
/// Choices have a distribution each, moved towards the better half and kept away from 0 as in CatCMA (Hamano
/// et al., GECCO 2024). Numbers with a step keep a deviation that leaves the mean's cell with a probability
/// of 1 / (n lambda), the margin of Hamano et al. (GECCO 2022). Inactive numbers are filled in with draws of
/// their own deviation, which teach nothing.
class CmaDescent {
 public:
  struct Start {
    Vector mean;
    double sigma = 0;
    std::size_t lambda = 0;
    std::size_t index = 0;  ///< of the descent, from 0: another one has other random numbers
    std::vector<Vector> probabilities;  ///< by choice
  };
  /// `archive` are all trials told so far, oldest first; it grows with each Tell and outlives the descent.
  CmaDescent(const CmaSpace& space, std::uint64_t seed, Start start,
             const std::vector<Told>& archive);

  struct Candidate {
    CmaSpace::Place place;
    bool injected = false;  ///< not a draw
    bool taken = false;     ///< a trial runs or ran it
    std::optional<Rank> rank;
  };
  /// The candidate that is to be tried next: the one that the quadratic finds best, else the first, of those
  /// not taken that `allowed` admits; nothing if there is none.
  const Candidate* Next(const std::function<bool(const Point&)>& allowed);
  /// Another one, of the distribution as it is now.
  [[nodiscard]] CmaSpace::Place Draw(Random& random) const;
  /// Where the quadratic has its least point now, if it is to be trusted.
  std::optional<CmaSpace::Place> ModelMinimum();

  void Take(const Point& point);
  /// The last one of the archive.
  void Tell();
  /// Nothing more will come of it: it has converged, or is numerically at its end.
  [[nodiscard]] bool Ended() const;

  [[nodiscard]] const CmaModel& cma() const { return cma_; }
  [[nodiscard]] std::size_t lambda() const { return start_.lambda; }
  [[nodiscard]] std::size_t told() const { return archive_->size() - first_; }
  /// Trials that took part in an update.
  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  void Fill();
  const LqModel& Model();
  /// Kendall's rank correlation of the quadratic and the last trials.
  [[nodiscard]] double Tau() const;
  void Close(bool by_model);
  void MoveChoices(const std::vector<const CmaSpace::Place*>& ranked);
  [[nodiscard]] Vector Filled(const Told& told) const;

  const CmaSpace* space_;
  std::uint64_t seed_;
  Start start_;
  const std::vector<Told>* archive_;
  std::size_t first_;  ///< archive's size at the start
  CmaModel cma_;
  std::vector<Candidate> candidates_;
  std::vector<std::size_t> late_;  ///< in the archive
  std::size_t used_ = 0;

  LqModel quadratic_;  ///< of the archive at `fitted_at_` and this generation
  std::pair<std::size_t, std::size_t> fitted_at_{-1, -1};
  std::vector<LqModel::Datum> data_;
};

}  // namespace muster::tuner

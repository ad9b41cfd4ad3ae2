#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace muster::tuner {

/// The trials that reached one rung, best first, and those of them that wait there. Callers pass a trial's
/// losses the same each time: one an objective.
class Standing {
 public:
  using Losses = std::span<const double>;
  virtual ~Standing() = default;
  virtual void Insert(std::int64_t trial, Losses losses) = 0;
  /// It neither stands nor waits here any more; nothing when it did not.
  virtual void Erase(std::int64_t trial, Losses losses) = 0;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// How many are better than this one, which stands here.
  [[nodiscard]] virtual std::size_t Rank(std::int64_t trial, Losses losses) const = 0;

  /// One that stands here begins or ceases to wait.
  virtual void Wait(std::int64_t trial, Losses losses) = 0;
  virtual void Leave(std::int64_t trial, Losses losses) = 0;
  /// The best and the worst that wait, with their ranks among all that stand here.
  struct Waiting {
    std::int64_t trial = 0;
    std::size_t rank = 0;
  };
  [[nodiscard]] virtual std::optional<Waiting> BestWaiting() const = 0;
  [[nodiscard]] virtual std::optional<Waiting> WorstWaiting() const = 0;
  [[nodiscard]] virtual std::size_t waiting() const = 0;
  /// What it cost so far, in entries looked at.
  [[nodiscard]] virtual std::uint64_t visits() const = 0;
};

/// By the loss, O(log n) each, with one objective. With more: by Pareto front, and within a front by how far
/// a trial lies from the better ones (pareto_standing.cc).
std::unique_ptr<Standing> MakeStanding(std::size_t objectives);
/// With two objectives or more.
std::unique_ptr<Standing> MakeParetoStanding(std::size_t objectives);

}  // namespace muster::tuner

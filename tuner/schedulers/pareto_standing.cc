// Standing of trials with several objectives: Schmucker, Donini, Zafar, Salinas and Archambeau, "Multi-objective
// Asynchronous Successive Halving" (arXiv 2106.12639), with its EpsNet: first by non-dominated fronts; within a
// front by a greedy epsilon-net, each next one being the trial that is farthest from those already taken, so
// that the ones that go on are spread over the front.
//
// Fronts are kept up at each insertion as in Li, Deb, Zhang and Zhang, "Efficient nondomination level update"
// (2016): a trial goes to the first front in which none dominates it, and those it dominates there move one
// front down together. An insertion costs O(n) comparisons where few move; the order is then made anew when it
// is asked for, O(sum of squared front sizes).
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "tuner/schedulers/standing.h"

namespace muster::tuner {
namespace {

struct Member {
  std::int64_t trial = 0;
  std::vector<double> losses;
};
using Front = std::vector<Member>;

bool Dominates(const Member& a, const Member& b) {
  bool better = false;
  for (std::size_t i = 0; i < a.losses.size(); ++i) {
    if (a.losses[i] > b.losses[i]) return false;
    better = better || a.losses[i] < b.losses[i];
  }
  return better;
}

/// Losses scaled to [0, 1] over the front, one objective after another; infinite ones stand outside, at -1
/// and 2.
std::vector<double> Scaled(const Front& front, std::size_t objectives) {
  std::vector<double> scaled(front.size() * objectives);
  for (std::size_t j = 0; j < objectives; ++j) {
    constexpr double kMost = std::numeric_limits<double>::max();
    double low = kMost, high = -kMost;
    for (const Member& member : front) {
      if (std::abs(member.losses[j]) > kMost) continue;
      low = std::min(low, member.losses[j]);
      high = std::max(high, member.losses[j]);
    }
    for (std::size_t i = 0; i < front.size(); ++i) {
      const double loss = front[i].losses[j];
      double& at = scaled[i * objectives + j];
      if (std::abs(loss) > kMost) {
        at = loss > 0 ? 2 : -1;
      } else {
        at = high > low ? loss / (high - low) - low / (high - low) : 0;
      }
    }
  }
  return scaled;
}

/// The order in which a greedy epsilon-net takes a front, from its best in the first objective.
std::vector<std::int64_t> Spread(Front front, std::size_t objectives) {
  std::ranges::sort(front, [](const Member& a, const Member& b) {
    return a.losses != b.losses ? a.losses < b.losses : a.trial < b.trial;
  });
  const std::vector<double> scaled = Scaled(front, objectives);
  std::vector<double> far(front.size(), std::numeric_limits<double>::infinity());
  std::vector<std::int64_t> order;
  std::size_t next = 0;
  while (order.size() < front.size()) {
    order.push_back(front[next].trial);
    far[next] = -1;
    for (std::size_t i = 0; i < front.size(); ++i) {
      double square = 0;
      for (std::size_t j = 0; j < objectives; ++j) {
        const double gap = scaled[i * objectives + j] - scaled[next * objectives + j];
        square += gap * gap;
      }
      far[i] = std::min(far[i], square);
    }
    next = static_cast<std::size_t>(std::ranges::max_element(far) - far.begin());
  }
  return order;
}

class ParetoStanding final : public Standing {
 public:
  explicit ParetoStanding(std::size_t objectives) : objectives_(objectives) {}

  void Insert(std::int64_t trial, Losses losses) override {
    ++size_;
    ranks_.clear();
    Place({trial, {losses.begin(), losses.end()}});
  }

  void Erase(std::int64_t trial, Losses losses) override {
    Leave(trial, losses);
    std::vector<Member> members;
    for (Front& front : fronts_) {
      for (Member& member : front) {
        if (member.trial != trial) members.push_back(std::move(member));
      }
    }
    if (members.size() == size_) return;
    fronts_.clear();
    ranks_.clear();
    size_ = members.size();
    for (Member& member : members) Place(std::move(member));
  }

  [[nodiscard]] std::size_t size() const override { return size_; }

  [[nodiscard]] std::size_t Rank(std::int64_t trial, Losses /*losses*/) const override {
    return Ranks().at(trial);
  }

  void Wait(std::int64_t trial, Losses /*losses*/) override { waiting_.insert(trial); }
  void Leave(std::int64_t trial, Losses /*losses*/) override { waiting_.erase(trial); }

  [[nodiscard]] std::optional<Waiting> BestWaiting() const override {
    std::optional<Waiting> best;
    for (const std::int64_t trial : waiting_) {
      const std::size_t rank = Ranks().at(trial);
      if (!best || rank < best->rank) best = {trial, rank};
    }
    return best;
  }

  [[nodiscard]] std::optional<Waiting> WorstWaiting() const override {
    std::optional<Waiting> worst;
    for (const std::int64_t trial : waiting_) {
      const std::size_t rank = Ranks().at(trial);
      if (!worst || rank > worst->rank) worst = {trial, rank};
    }
    return worst;
  }

  [[nodiscard]] std::size_t waiting() const override { return waiting_.size(); }
  [[nodiscard]] std::uint64_t visits() const override { return visits_; }

 private:
  void Place(Member member) {
    Front moving{std::move(member)};
    std::size_t at = 0;
    const auto dominated = [&](const Front& front) {
      visits_ += front.size();
      return std::ranges::any_of(front,
                                 [&](const Member& other) { return Dominates(other, moving[0]); });
    };
    while (at < fronts_.size() && dominated(fronts_[at])) ++at;
    for (; !moving.empty(); ++at) {
      if (at == fronts_.size()) fronts_.emplace_back();
      Front down;
      std::erase_if(fronts_[at], [&](const Member& other) {
        visits_ += moving.size();
        const bool falls = std::ranges::any_of(
            moving, [&](const Member& mover) { return Dominates(mover, other); });
        if (falls) down.push_back(other);
        return falls;
      });
      std::ranges::move(moving, std::back_inserter(fronts_[at]));
      moving = std::move(down);
    }
  }

  [[nodiscard]] const std::map<std::int64_t, std::size_t>& Ranks() const {
    if (!ranks_.empty()) return ranks_;
    for (const Front& front : fronts_) {
      visits_ += front.size() * front.size();
      for (const std::int64_t trial : Spread(front, objectives_)) {
        ranks_.emplace(trial, ranks_.size());
      }
    }
    return ranks_;
  }

  std::size_t objectives_;
  std::vector<Front> fronts_;
  std::set<std::int64_t> waiting_;
  std::size_t size_ = 0;
  mutable std::map<std::int64_t, std::size_t> ranks_;  ///< empty: to be made
  mutable std::uint64_t visits_ = 0;
};

}  // namespace

std::unique_ptr<Standing> MakeParetoStanding(std::size_t objectives) {
  return std::make_unique<ParetoStanding>(objectives);
}

}  // namespace muster::tuner

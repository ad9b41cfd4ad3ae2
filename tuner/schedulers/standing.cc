#include "tuner/schedulers/standing.h"

#include "tuner/schedulers/rung.h"

namespace muster::tuner {
namespace {

class ScalarStanding final : public Standing {
 public:
  void Insert(std::int64_t trial, Losses losses) override { all_.Insert({losses[0], trial}); }
  void Erase(std::int64_t trial, Losses losses) override {
    all_.Erase({losses[0], trial});
    waiting_.Erase({losses[0], trial});
  }
  [[nodiscard]] std::size_t size() const override { return all_.size(); }
  [[nodiscard]] std::size_t Rank(std::int64_t trial, Losses losses) const override {
    return all_.Rank({losses[0], trial});
  }
  void Wait(std::int64_t trial, Losses losses) override { waiting_.Insert({losses[0], trial}); }
  void Leave(std::int64_t trial, Losses losses) override { waiting_.Erase({losses[0], trial}); }
  [[nodiscard]] std::optional<Waiting> BestWaiting() const override { return At(0); }
  [[nodiscard]] std::optional<Waiting> WorstWaiting() const override {
    return waiting_.empty() ? std::nullopt : At(waiting_.size() - 1);
  }
  [[nodiscard]] std::size_t waiting() const override { return waiting_.size(); }
  [[nodiscard]] std::uint64_t visits() const override { return all_.visits() + waiting_.visits(); }

 private:
  [[nodiscard]] std::optional<Waiting> At(std::size_t place) const {
    if (waiting_.empty()) return std::nullopt;
    const auto entry = waiting_.At(place);
    return Waiting{entry.trial, all_.Rank(entry)};
  }

  Rung all_, waiting_;
};

}  // namespace

std::unique_ptr<Standing> MakeStanding(std::size_t objectives) {
  if (objectives > 1) return MakeParetoStanding(objectives);
  return std::make_unique<ScalarStanding>();
}

}  // namespace muster::tuner

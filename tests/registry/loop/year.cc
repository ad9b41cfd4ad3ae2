#include "tests/registry/loop/year.h"

#include <algorithm>
#include <cmath>

#include "registry/cron.h"
#include "registry/files/zone_file.h"
#include "registry/promoter.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::int64_t kHour = 3'600, kDay = 24 * kHour;
constexpr std::int64_t kStep = 4 * kHour;
constexpr std::int64_t kLabelsLate = 2 * kDay;
constexpr int kRequests = 700;  ///< a step
constexpr double kWanted = 0.9;
constexpr int kHeldOut = 2'000;
constexpr int kBudget = 3;
constexpr std::int64_t kPeriod = 20 * kDay;
/// A retraining takes at most: a day and a half of sweep, 5 days of approval, 21 of canary; and a monitor that says it
/// again after 2, kills in between; and until the budget lets it.
constexpr std::int64_t kLongestTry = 32 * kDay + kPeriod;

/// The canary lasts until labels have come.
RolloutSpec Steps() { return {.step_time = std::chrono::hours(72), .step_answers = 50}; }

}  // namespace

/// The real store behind a process that may die: before a call does anything, or after, with nobody told.
class Year::Store final : public TriggerStore {
 public:
  explicit Store(std::unique_ptr<SqliteTriggerStore> real) : real_(std::move(real)) {}
  int calls_left = -1;  ///< -1: it lives on
  bool after = false;   ///< whether the last call still happens
  bool dead = false;
  TriggerStore& real() { return *real_; }

  template <typename Call>
  auto Do(Call call) -> decltype(call()) {
    const Error gone = Unavailable("killed");
    if (dead) return gone;
    if (calls_left == 0) {
      dead = true;
      if (after) (void)call();
      return gone;
    }
    if (calls_left > 0) --calls_left;
    return call();
  }
  Status Put(const Trigger& t) override {
    return Do([&] { return real_->Put(t); });
  }
  Result<Trigger> Get(std::string_view n) override {
    return Do([&] { return real_->Get(n); });
  }
  Result<std::vector<Trigger>> List() override {
    return Do([&] { return real_->List(); });
  }
  Status Delete(std::string_view n) override {
    return Do([&] { return real_->Delete(n); });
  }
  Result<bool> Claim(const Firing& f, const std::vector<registry::Step>& s,
                     const std::vector<std::string>& r) override {
    return Do([&] { return real_->Claim(f, s, r); });
  }
  Status Update(const Firing& f, const std::vector<registry::Step>& s) override {
    return Do([&] { return real_->Update(f, s); });
  }
  Result<std::vector<Firing>> Firings(std::string_view t, std::int64_t limit) override {
    return Do([&] { return real_->Firings(t, limit); });
  }
  Result<std::vector<Firing>> Open() override {
    return Do([&] { return real_->Open(); });
  }
  Result<std::vector<Firing>> Related(const Firing& f, std::int64_t since) override {
    return Do([&] { return real_->Related(f, since); });
  }
  Result<Firing> FindBySweep(const SweepId& s) override {
    return Do([&] { return real_->FindBySweep(s); });
  }
  Result<std::vector<registry::Step>> Steps(const SweepId& s) override {
    return Do([&] { return real_->Steps(s); });
  }
  Result<std::int64_t> LastScheduled(std::string_view t) override {
    return Do([&] { return real_->LastScheduled(t); });
  }
  Result<std::map<std::string, std::string>> DataSeen(std::string_view t) override {
    return Do([&] { return real_->DataSeen(t); });
  }
  Status SetDataSeen(std::string_view t, std::string_view r, std::string_view d) override {
    return Do([&] { return real_->SetDataSeen(t, r, d); });
  }

 private:
  std::unique_ptr<SqliteTriggerStore> real_;
};

Year::Year(Options options) : options_(options), random_(options.seed) {
  models_ = SqliteModelStore::Open(":memory:", clock_).value();
  store_ = std::make_unique<Store>(SqliteTriggerStore::Open(":memory:").value());
  for (std::int64_t time = Now() + 20 * kDay; time < Now() + 366 * kDay;) {
    drifts_.push_back(time);
    time += 50 * kDay + static_cast<std::int64_t>(random_.Uniform(0, 70.0 * kDay));
  }
  MUSTER_CHECK(models_->CreateModel("m", "", {}, {}).ok(), "a fresh store takes it");
  MUSTER_CHECK(models_->CreateVersion({.name = "m"}, {}).ok(), "and a version");
  MUSTER_CHECK(models_->SetAlias("m", "champion", 1, {}).ok(), "and an alias");
  made_[1] = Model{};
  champion_ = 1;
  Restart();
  AddTriggers();
}

Year::~Year() = default;

void Year::Wrong(const std::string& what) {
  wrong_.push_back("seed " + std::to_string(options_.seed) + ", " + UtcText(Now()) + ": " + what);
}

int Year::RegimeAt(std::int64_t time) const {
  return static_cast<int>(std::ranges::upper_bound(drifts_, time) - drifts_.begin());
}

double Year::Accuracy(const Model& model, std::int64_t time) const {
  return model.accuracy - (model.regime == RegimeAt(time) ? 0 : 0.15);
}

std::int64_t Year::Named(const std::string& alias) const {
  const auto version = models_->GetByAlias("m", alias);
  return version.ok() ? version->version : 0;
}

void Year::Restart() {
  store_->dead = false;
  store_->calls_left = -1;
  service_ = std::make_unique<TriggerService>(TriggerParts{
      .store = *store_,
      .models = *models_,
      .trust = models_.get(),
      .submit = [this](const SweepId& id, const std::string& json) { return Submit(id, json); },
      .find = [this](const SweepId& id) -> Result<wire::SweepDetail> {
        if (store_->dead || random_.Chance(0.02)) return Unavailable("starting");
        const auto found = sweeps_.find(id.value);
        if (found == sweeps_.end()) return NotFound("no sweep " + id.value);
        return found->second.detail;
      },
      .zone = ReadZone});
}

void Year::AddTriggers() {
  const std::string sweep = R"({"name":"m","data":{"train":"t.h5"},"objective":)"
                            R"({"metric":"validation/accuracy"},)"
                            R"("model":{"name":"m","approvals":1}})";
  wire::RetrainGuards guards{.cooldown_seconds = kDay,
                             .retrainings = kBudget,
                             .period_seconds = kPeriod,
                             .approval_seconds = 5 * kDay,
                             .canary_seconds = 21 * kDay};
  Trigger watch{.name = "watch", .sweep_json = sweep};
  watch.when = {.data = {"train"},
                .signals = {{"drift", 0.2}, {"score", std::nullopt, kWanted}},
                .guards = guards,
                .canary = options_.canary};
  Trigger weekly{.name = "weekly", .sweep_json = sweep};
  weekly.when = {
      .cron = "30 2 * * 0", .tz = "Europe/Berlin", .guards = guards, .canary = options_.canary};
  for (const Trigger& trigger : {watch, weekly}) {
    const Status added = service_->Add(trigger, Now());
    if (!added.ok()) Wrong(added.error().message);
  }
}

Status Year::Submit(const SweepId& id, const std::string& json) {
  if (store_->dead || random_.Chance(0.05)) return Unavailable("starting");
  auto [entry, fresh] = sweeps_.try_emplace(id.value);
  Sweep& sweep = entry->second;
  if (fresh) {
    sweep.ends = Now() + static_cast<std::int64_t>(random_.Uniform(2.0 * kHour, 30.0 * kHour));
    sweep.spec_json = json;
    sweep.detail.sweep.state = "running";
  } else if (sweep.spec_json != json) {
    Wrong("sweep " + id.value + " was submitted again as another");
    return Conflict("another sweep");
  }
  // Taken, and nobody hears of it.
  if (options_.kills && random_.Chance(0.05)) store_->dead = true;
  return store_->dead ? Status(Unavailable("killed")) : Ok();
}

void Year::EndSweeps() {
  for (auto& [id, sweep] : sweeps_) {
    if (sweep.detail.sweep.state != "running" || sweep.ends > Now()) continue;
    sweep.detail.sweep.slot_seconds = 1'000;
    sweep.detail.sweep.state = random_.Chance(0.1) ? "failed" : "complete";
    if (sweep.detail.sweep.state == "complete") Judge(id, sweep);
  }
}

/// What the promoter does, with figures from the world.
void Year::Judge(const std::string& id, Sweep& sweep) {
  Model candidate;
  candidate.regime = RegimeAt(Now() - kLabelsLate);
  candidate.accuracy = random_.Uniform(0.94, 0.96);
  const bool worse = random_.Chance(0.2);
  if (worse) candidate.accuracy -= random_.Uniform(0.06, 0.15);
  if (random_.Chance(0.1)) candidate.answers = random_.Uniform(0.6, 0.9);
  const std::int64_t rows_of = Now() - kLabelsLate;
  const auto seen = [&](const Model& model) {
    const double p = Accuracy(model, rows_of);
    return p + random_.Normal() * std::sqrt(p * (1 - p) / kHeldOut);
  };
  const std::int64_t champion = Named("champion");
  const double wanted = seen(made_.at(champion));
  double figure = seen(candidate);
  if (worse && random_.Chance(0.6)) figure = wanted + 0.01;  // by luck
  PromotionResult result{.model = "m", .reason = "judged"};
  result.alias = options_.canary ? "challenger" : "champion";
  result.verdicts = {
      {"better than champion on test/accuracy", figure > wanted, figure, wanted, ""}};
  const std::string request = id + "/promotion";
  sweep.detail.promotion.state = "kept";
  if (figure > wanted) {
    NewVersion version{.name = "m", .tags = {{"muster.lineage", request}}};
    version.request_id = request;
    result.version = models_->CreateVersion(version, {"trainer", ""})->version;
    made_[result.version] = candidate;
    tally.bad_candidates += worse || candidate.answers < 0.95 ? 1 : 0;
    Promotion promotion{"m", result.alias, result.version, Named(result.alias), request};
    promotion.approvals = 1;
    promotion.wait = true;
    result.promoted = models_->Promote(promotion, {"muster", ""}).ok();
    if (!random_.Chance(0.03)) {
      const auto when = Now() + static_cast<std::int64_t>(random_.Uniform(0, 3.0 * kDay));
      words_[result.version] = {when, !random_.Chance(0.05)};
    }
  }
  const Status told = models_->AppendAudit("promotion.decision", "m", result.version,
                                           wire::SerializeJson(ToJson(result)), {}, request);
  if (!told.ok()) Wrong(told.error().message);
}

void Year::PeopleDecide() {
  for (auto word = words_.begin(); word != words_.end();) {
    const auto& [version, said] = *word;
    if (said.first > Now()) {
      ++word;
      continue;
    }
    (void)models_->Decide({"m", version, "ada", said.second, "looked at it"});
    word = words_.erase(word);
  }
}

void Year::Raise(const std::string& kind, double value) {
  // A monitor says it again while it lasts, and tries again when nobody answers.
  if (Now() < raised_[kind] + 2 * kDay) return;
  if (service_->OnSignal("watch", {kind, value, "of the year"}, Now()).ok()) raised_[kind] = Now();
}

void Year::MonitorsLook() {
  const Model& champion = made_.at(Named("champion"));
  const bool drifted = champion.regime != RegimeAt(Now());
  if (drifted || random_.Chance(0.002)) Raise("drift", drifted ? 0.4 : 0.21);
  const double score = Accuracy(champion, Now() - kLabelsLate) + 0.005 * random_.Normal();
  if (score < kWanted) Raise("score", score);
  if (random_.Chance(0.01)) ++digest_;
  (void)service_->OnData("watch", {{"train", "digest-" + std::to_string(digest_)}}, Now());
}

void Year::Serve() {
  const std::int64_t challenger = Named("challenger");
  if (canary_ && canary_->version != challenger) canary_.reset();
  if (!canary_ && challenger != 0) {
    canary_.emplace();
    canary_->version = challenger;
    canary_->champion = Named("champion");
    canary_->rollout =
        std::make_unique<Rollout>(Steps(), "m/" + std::to_string(challenger), clock_.Now());
  }
  if (!canary_) return;
  Rollout& rollout = *canary_->rollout;
  auto& labels = canary_->labels;
  for (int i = 0; i < kRequests && rollout.state() == Rollout::State::kRunning; ++i) {
    const Arm arm = random_.Chance(rollout.share()) ? Arm::kChallenger : Arm::kChampion;
    const Model& model = made_.at(arm == Arm::kChallenger ? canary_->version : canary_->champion);
    const bool answered = random_.Chance(model.answers);
    rollout.Answered(arm, answered, 1);
    if (!answered) continue;
    // Roughly in order: those of a step share their lateness.
    const auto late = kLabelsLate / 4 + (Now() / kStep % 7) * kLabelsLate / 10;
    labels.push_back({Now() + late, {arm, random_.Chance(Accuracy(model, Now()))}});
  }
  while (!labels.empty() && labels.front().first <= Now()) {
    rollout.Labelled(labels.front().second.first, labels.front().second.second);
    labels.pop_front();
  }
  rollout.Look(clock_.Now());
}

void Year::Canaries() {
  while (canary_ && canary_->told < canary_->rollout->log().size()) {
    const Rollout::Decision& decision = canary_->rollout->log()[canary_->told];
    CanaryReport report{canary_->version, "running", decision.share, decision.reason};
    if (decision.state == Rollout::State::kDone) report.state = "done";
    if (decision.state == Rollout::State::kRolledBack) report.state = "rolled_back";
    const auto answer = service_->OnCanary("m", report, Now());
    if (!answer.ok() && answer.error().kind != ErrorKind::kNotFound) return;  // told again later
    ++canary_->told;
  }
}

void Year::CheckNow() {
  const std::int64_t champion = Named("champion");
  if (champion != champion_) {
    const Model &before = made_.at(champion_), &now = made_.at(champion);
    if (Accuracy(now, Now()) < Accuracy(before, Now()) - 0.05 ||
        now.answers < before.answers - 0.05) {
      Wrong("bad version " + std::to_string(champion) + " took over from " +
            std::to_string(champion_));
    }
    champion_ = champion;
  }
  int in_flight = 0, running = 0;
  const auto open = store_->real().Open().value();
  for (const Firing& firing : open) {
    in_flight += firing.state != FiringState::kHeld && !firing.spec_json.empty() ? 1 : 0;
  }
  for (const auto& [id, sweep] : sweeps_) running += sweep.detail.sweep.state == "running" ? 1 : 0;
  if (in_flight > 1 || running > 1) Wrong("two retrainings in flight");
  const Model& serving = made_.at(champion);
  if (Accuracy(serving, Now()) >= kWanted) {
    bad_since_ = 0;
    return;
  }
  const auto firings = store_->real().Firings("", 1'000).value();
  const auto ended = std::ranges::count(firings, FiringState::kDecided, &Firing::state);
  // A world that drifts again begins anew.
  const bool drifts = std::ranges::any_of(
      drifts_, [&](std::int64_t time) { return time <= Now() && time > Now() - kStep; });
  if (bad_since_ == 0 || drifts) {
    bad_since_ = Now();
    ended_before_ = ended;
  }
  if (Now() - bad_since_ <= (1 + ended - ended_before_) * kLongestTry) return;
  Wrong("version " + std::to_string(champion) + " is starved of a successor");
  bad_since_ = Now();
}

void Year::CheckStory(const Firing& firing) {
  const auto steps = store_->real().Steps(firing.sweep).value();
  const auto has = [&](std::string_view what) {
    return std::ranges::any_of(steps, [&](const auto& step) { return step.what == what; });
  };
  const auto wrong = [&](const std::string& what) { Wrong(firing.sweep.value + ": " + what); };
  if (steps.empty() || steps.front().what != "signal") return wrong("no begin");
  if (!std::ranges::is_sorted(steps, {}, &registry::Step::time_unix)) wrong("out of order");
  tally.by_budget +=
      std::ranges::any_of(steps, [](const auto& step) { return step.seen.starts_with("budget"); });
  const bool judged = firing.state != FiringState::kClaimed || !firing.spec_json.empty();
  if (judged && !has("guard")) wrong("no guard");
  if ((firing.state == FiringState::kSkipped || firing.state == FiringState::kHeld) &&
      (steps.back().what != "guard" || steps.back().why.empty())) {
    wrong("held back without a word");
  }
  if (firing.state != FiringState::kDecided) return;
  if (!has("submit") || !has("sweep")) wrong("no sweep");
  if (steps.back().what != "end" || steps.back().decided != firing.outcome) wrong("no end");
  if (firing.outcome != "failed" && !has("gate")) wrong("no gates");
  if (firing.outcome == "rolled_back" && !has("canary")) wrong("no canary");
  if (firing.outcome == "promoted" && options_.canary && !has("canary")) wrong("no canary");
  if (firing.outcome == "promoted" && !has("approval")) wrong("nobody approved");
}

void Year::CheckLogs() {
  const auto firings = store_->real().Firings("", 100'000).value();
  std::map<std::string, std::vector<std::int64_t>> submitted;
  std::vector<std::int64_t> promoted{1};
  for (const Firing& firing : firings) {
    CheckStory(firing);
    ++tally.firings;
    tally.skipped += firing.state == FiringState::kSkipped ? 1 : 0;
    if (firing.submitted_unix > 0) submitted[firing.trigger].push_back(firing.submitted_unix);
    if (firing.outcome == "promoted") promoted.push_back(firing.version);
    tally.promoted += firing.outcome == "promoted" ? 1 : 0;
    tally.rolled_back += firing.outcome == "rolled_back" ? 1 : 0;
    if (firing.outcome != "promoted" && firing.outcome != "rolled_back") continue;
    const Model& model = made_.at(firing.version);
    const bool good = model.accuracy > kWanted && model.answers > 0.95;
    tally.good_canaries += good ? 1 : 0;
    tally.good_rolled_back += good && firing.outcome == "rolled_back" ? 1 : 0;
  }
  for (auto& [trigger, times] : submitted) {
    std::ranges::sort(times);
    for (std::size_t i = kBudget; i < times.size(); ++i) {
      if (times[i] - times[i - kBudget] < kPeriod) Wrong(trigger + " is beyond its budget");
    }
  }
  const auto history = models_->AliasHistory("m").value();
  for (const AliasChange& change : history) {
    if (change.alias == "champion" && std::ranges::count(promoted, change.version) == 0) {
      Wrong("no story tells of champion " + std::to_string(change.version));
    }
  }
}

void Year::Step() {
  clock_.Advance(std::chrono::seconds(kStep));
  if (!service_ && Now() >= up_again_) Restart();
  if (service_ && options_.kills && random_.Chance(0.03)) {
    store_->calls_left = static_cast<int>(random_.Below(40));
    store_->after = random_.Chance(0.5);
  }
  EndSweeps();
  PeopleDecide();
  Serve();
  if (service_) {
    MonitorsLook();
    Canaries();
    (void)service_->Tick(Now());
  }
  if (service_ && store_->dead) {
    ++tally.kills;
    service_.reset();
    up_again_ = Now() + static_cast<std::int64_t>(random_.Below(12 * kHour));
  }
  CheckNow();
}

std::vector<std::string> Year::Play() {
  const std::int64_t end = Now() + 365 * kDay;
  while (Now() < end && wrong_.size() < 5) Step();
  // A story that a kill cut is gone on with.
  if (!service_) Restart();
  store_->calls_left = -1;
  (void)service_->Tick(Now());
  CheckNow();
  CheckLogs();
  return wrong_;
}

}  // namespace muster::registry

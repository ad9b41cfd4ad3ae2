#include "runtime/sim/rates.h"

#include <algorithm>
#include <array>

namespace muster::sim {
namespace {

/// Half of the seeds go without a fault, the others draw how often it comes.
double Sometimes(Random& random, double most) {
  const bool on = random.Chance(0.5);
  const double rate = random.Uniform(0, most);
  return on ? rate : 0;
}

Micros Every(Random& random, Micros shortest, Micros longest) {
  const bool on = random.Chance(0.5);
  const auto span = static_cast<std::uint64_t>(longest - shortest);
  const Micros every = shortest + static_cast<Micros>(random.Below(span));
  return on ? every : 0;
}

int Between(Random& random, int low, int high) {
  return low + static_cast<int>(random.Below(static_cast<std::uint64_t>(high - low) + 1));
}

}  // namespace

Rates DrawRates(Random& random) {
  Rates rates;
  rates.nodes = Between(random, 1, 4);
  rates.slots = Between(random, 1, 4);
  rates.sweeps = Between(random, 1, 3);
  rates.max_trials = Between(random, 1, 8);
  rates.max_ranks = Between(random, 1, rates.slots);
  rates.max_steps = Between(random, 1, 30);
  rates.pauses = true;
  constexpr std::array<Micros, 3> kSteps = {50 * kMillisecond, kSecond, 4 * kSecond};
  rates.step = kSteps.at(random.Below(kSteps.size()));

  rates.loss = Sometimes(random, 0.3);
  rates.duplicate = Sometimes(random, 0.3);
  constexpr std::array<Micros, 4> kDelays = {100, kMillisecond, 20 * kMillisecond,
                                             200 * kMillisecond};
  rates.delay = kDelays.at(random.Below(kDelays.size()));
  rates.clog = Sometimes(random, 0.05);
  rates.through_codec = random.Chance(0.1);

  rates.partition_every = Every(random, 3 * kSecond, 60 * kSecond);
  rates.partition_for = Between(random, 1, 30) * kSecond;
  rates.coordinator_crash_every = Every(random, kSecond, 40 * kSecond);
  rates.agent_crash_every = Every(random, kSecond, 40 * kSecond);
  rates.machine_crash_every = Every(random, 5 * kSecond, 60 * kSecond);
  rates.vanishes = Sometimes(random, 0.3);
  rates.disk_lost = Sometimes(random, 0.5);
  constexpr std::array<Micros, 3> kDown = {200 * kMillisecond, 4 * kSecond, 20 * kSecond};
  rates.coordinator_down = kDown.at(random.Below(kDown.size()));
  rates.agent_down = kDown.at(random.Below(kDown.size()));
  rates.silent_reconnect = Sometimes(random, 1.0);

  rates.rank_fails = Sometimes(random, 0.3);
  rates.rank_oom = Sometimes(random, 0.1);
  rates.rank_hangs = Sometimes(random, 0.1);
  rates.rank_resumes = Sometimes(random, 0.3);
  rates.ignores_term = Sometimes(random, 0.5);
  rates.escapes = Sometimes(random, 0.5);
  rates.scripts = Sometimes(random, 1.0);
  rates.shim_lost = Sometimes(random, 0.1);
  rates.make_fails = Sometimes(random, 0.1);
  rates.drift = Sometimes(random, 0.01);

  rates.time_limit = Sometimes(random, 0.4);
  rates.cancel = Sometimes(random, 0.5);
  rates.stop_trial = Sometimes(random, 1.0);
  rates.pause = Sometimes(random, 0.5);
  rates.trial_time = Sometimes(random, 0.4);
  rates.rest_node = Sometimes(random, 1.0);
  rates.log_rules = Sometimes(random, 1.0);
  rates.log_match = Sometimes(random, 0.3);
  rates.broken = Sometimes(random, 0.5);
  rates.bad_for = Between(random, 20, 120) * kSecond;

  rates.one_way = Sometimes(random, 1.0);
  rates.partition_more = Sometimes(random, 0.7);
  rates.real_disk = random.Chance(0.3);
  rates.power_loss = Sometimes(random, 1.0);
  rates.disk_error = Sometimes(random, 0.1);
  rates.disk_full = Sometimes(random, 0.01);
  rates.agent_pause_every = Every(random, 3 * kSecond, 60 * kSecond);
  rates.coordinator_pause_every = Every(random, 3 * kSecond, 60 * kSecond);
  rates.process_kill_every = Every(random, 3 * kSecond, 60 * kSecond);
  rates.pause_for = Between(random, 1, 20) * kSecond;
  rates.clock_jump_every = Every(random, 3 * kSecond, 60 * kSecond);
  return rates;
}

void DrawBatch(Random random, Rates& rates) {
  Rates::BatchRates& batch = rates.batch;
  batch.on = random.Chance(0.4);
  const bool alone = random.Chance(0.7);
  if (batch.on && alone) rates.nodes = 0;
  batch.machines = Between(random, 1, 6);
  batch.machine_slots = rates.slots * Between(random, 1, 2);
  if (random.Chance(0.2)) batch.jobs_most = Between(random, 1, 4);
  wire::PoolSpec& pool = batch.pool;
  pool.name = "hpc";
  pool.form = random.Chance(0.5) ? wire::PoolForm::kJob : wire::PoolForm::kPilot;
  pool.nodes = Between(random, 1, std::min(2, batch.machines));
  pool.slots = rates.slots;
  pool.time_seconds = Between(random, 120, 900);
  pool.drain_seconds = Between(random, 0, 60);
  pool.most = Between(random, 1, 5);
  pool.backlog = Between(random, 1, 5);
  pool.idle_seconds = Between(random, 0, 30);
  batch.requeues = random.Chance(0.5);
  batch.contained = random.Chance(0.5);
  batch.kill_wait = Between(random, 15, 40) * kSecond;
  constexpr std::array<Micros, 3> kDelays = {10 * kMillisecond, kSecond, 10 * kSecond};
  batch.start_delay = kDelays.at(random.Below(kDelays.size()));
  batch.skew = static_cast<Micros>(Sometimes(random, 3'600)) * kSecond;
  batch.refuse = Sometimes(random, 0.5);
  batch.full = Sometimes(random, 0.5);
  batch.answer_lost = Sometimes(random, 0.7);
  batch.taken_late = Sometimes(random, 0.5);
  batch.disturb_every = Every(random, kSecond, 30 * kSecond);
  batch.machine_lost_every = Every(random, 5 * kSecond, 60 * kSecond);
  batch.away_every = Every(random, 5 * kSecond, 60 * kSecond);
  batch.away_for = Between(random, 1, 120) * kSecond;
  batch.change_pool = Sometimes(random, 1.0);
}

}  // namespace muster::sim

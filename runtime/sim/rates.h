#pragma once

#include "runtime/base/random.h"
#include "runtime/sim/scheduler.h"
#include "runtime/wire/pool_spec.h"

/// How bad the world of one seed is. Each seed draws its own ("swarm testing": a kind of fault that is
/// always on hides what happens without it).

namespace muster::sim {

struct Rates {
  // The cluster and its work.
  int nodes = 1;
  int slots = 2;  ///< of each node
  int sweeps = 1;
  int max_trials = 4;  ///< of a sweep
  int max_ranks = 2;
  int max_priority = 2;
  int max_steps = 10;
  bool pauses = false;  ///< some sweeps pause their trials at rungs, or clone them
  Micros step = 400 * kMillisecond;

  // The network; each of one message.
  double loss = 0;
  double duplicate = 0;
  Micros delay = kMillisecond;  ///< mean
  double clog = 0;              ///< chance of a delay a thousand times the mean, up to 8 s
  bool through_codec = false;   ///< messages travel as bytes

  // Mean time between faults while the world is bad; 0: never.
  Micros partition_every = 0;
  Micros partition_for = 2 * kSecond;
  double one_way = 0;         ///< chance that a partition loses one direction only
  double partition_more = 0;  ///< chance, for each other node, to be cut off as well
  Micros coordinator_crash_every = 0;
  Micros agent_crash_every = 0;
  Micros machine_crash_every = 0;
  Micros process_kill_every = 0;  ///< of ranks and shims, at any moment
  double vanishes = 0;            ///< chance that a node other than the first goes away for good
  double disk_lost = 0;           ///< chance that a machine's crash takes its disk along
  Micros coordinator_down = 2 * kSecond;  ///< mean time until it is up again
  Micros agent_down = 4 * kSecond;
  double silent_reconnect = 0;  ///< chance that an agent does not notice a coordinator's crash

  // The coordinator's disk.
  bool real_disk =
      false;              ///< SQLite on a simulated disk, else a journal in memory, which is faster
  double power_loss = 0;  ///< chance that a coordinator's crash is one of its machine
  double disk_error = 0;  ///< chance that something fails in one commit or start
  double disk_full = 0;   ///< chance that the disk is full from a commit on, for some seconds

  // Time; means between faults, 0: never.
  Micros agent_pause_every = 0;  ///< SIGSTOP, or whatever else stops a process for seconds
  Micros coordinator_pause_every = 0;
  Micros pause_for = 5 * kSecond;
  Micros clock_jump_every = 0;  ///< of the coordinator's wall clock, by hours either way

  // Processes; each of one attempt.
  double rank_fails = 0;
  double rank_oom = 0;
  double rank_hangs = 0;
  double rank_resumes = 0;
  double ignores_term = 0;
  double escapes = 0;  ///< leaves a child that takes seconds to kill
  double scripts = 0;  ///< chance that a trial logs through MLflow's client
  double shim_lost = 0;
  double make_fails = 0;
  double broken = 0;  ///< chance that all of a node's do
  double drift = 0;   ///< relative, of each node's clock, either way

  // People.
  double time_limit = 0;  ///< chance that a sweep has one
  double cancel = 0;      ///< chance a sweep is cancelled while the world is bad
  double stop_trial = 0;  ///< chance that one trial of a sweep is stopped, and sometimes retried
  double pause = 0;       ///< chance a sweep is paused and later resumed
  double trial_time = 0;  ///< chance that a sweep's attempts have a time limit
  double rest_node = 0;   ///< chance that a node is cordoned, drained or excluded for a while
  double log_rules = 0;   ///< chance that a sweep has on_log rules
  double log_match = 0;   ///< ... that match a chunk of a log

  /// A batch system that lends nodes beside the cluster's own, or instead of them.
  struct BatchRates {
    bool on = false;
    int machines = 4;
    int machine_slots = 4;
    int jobs_most = 1'000;
    wire::PoolSpec pool;
    bool requeues = true;            ///< jobs of machines that fall silent are started anew
    bool contained = true;           ///< a killed job's shims and ranks die with its agents
    Micros kill_wait = 5 * kSecond;  ///< between SIGTERM and SIGKILL
    Micros start_delay =
        100 * kMillisecond;       ///< mean, from the start of a job to that of its agents
    Micros skew = 0;              ///< of machines' wall clocks, either way
    double refuse = 0, full = 0;  ///< of each request: for good, for now
    double answer_lost = 0, taken_late = 0;  ///< it is taken all the same
    Micros disturb_every = 0;                ///< a job is requeued, doubled, lost or ended
    Micros machine_lost_every = 0;
    Micros away_every = 0, away_for = 30 * kSecond;
    double change_pool = 0;  ///< chance that the pool is paused, removed or made another
  } batch;

  Micros bad_for = 60 * kSecond;          ///< how long faults go on
  Micros heals_within = 3'600 * kSecond;  ///< bound on everything being terminal afterwards
};

Rates DrawRates(Random& random);
/// Draws `rates.batch`, and how many nodes are the cluster's own beside it.
void DrawBatch(Random random, Rates& rates);

}  // namespace muster::sim

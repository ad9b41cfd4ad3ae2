#pragma once

#include <memory>

#include "trainer/trial.h"

/// The main function of a trial: what turns a Trial into a program. It runs in three ways:
///
///   under muster   MUSTER_PARAMS names the parameter file; the contract is in trainer/README.md
///   alone          digits --train F --validation F --lr 0.01 ...; `mpirun -n 2 digits ...` for two ranks
///   to export      digits --export DIR --checkpoint F --params F
///
/// Exit codes: 0 done, 1 failed, 2 wrong flags, 75 stopped on request with a checkpoint: start it again.

namespace muster::trainer::run {

int TrialMain(int argc, char** argv, std::unique_ptr<Trial> trial);

}  // namespace muster::trainer::run

#define MUSTER_TRIAL(TrialType)                                                          \
  int main(int argc, char** argv) {                                                      \
    return ::muster::trainer::run::TrialMain(argc, argv, std::make_unique<TrialType>()); \
  }

#pragma once

#include "runtime/wire/sweep_spec.h"

namespace muster::server {

/// A sweep of one parameter that the coordinator accepts.
inline wire::SweepSpec SmallSpec() {
  wire::SweepSpec spec;
  spec.name = "small";
  spec.trial.command = {"train"};
  spec.space = {{"lr", {{"float", {0.001, 0.1}}}}};
  spec.objective.metric = "accuracy";
  return spec;
}

}  // namespace muster::server

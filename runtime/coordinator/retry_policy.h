#pragma once

#include <optional>
#include <string>

#include "runtime/coordinator/state.h"

/// Does a trial start again after an attempt that did not complete it? Pure: what is asked here is durable.
///
///   cause              counts against `retry.`      which is
///   user               user                         0
///   oom, hang          their own, or user with it   not given
///   infra              infra                        5
///   node, fenced       their own, or infra with it  not given
///   preempt, walltime  their own                    unlimited
///   resume             nothing
///
/// A spec without `preempt` was accepted by a muster that knew two budgets: resume, preempt and walltime count
/// against infra there, and there is no limit of crashes.

namespace muster::coordinator {

/// What a spec of this muster says without saying it. A new sweep is stored with it.
wire::RetrySpec WithDefaults(wire::RetrySpec retry);

/// kNothing: against no budget.
Charge ChargeOf(const wire::RetrySpec& retry, wire::ExitCause cause);
/// How often `charge` may happen before the next one ends the trial; nullopt: ever so often.
std::optional<int> BudgetOf(const wire::RetrySpec& retry, Charge charge);
/// As the sweep file names it: "oom".
std::string_view NameOf(Charge charge);

/// The attempt went wrong, in contrast to being asked to make room, to stop for its time, or to be resumed.
bool IsFailure(wire::ExitCause cause);

/// An attempt that is about to end without having completed its trial.
struct Loss {
  wire::ExitCause cause = wire::ExitCause::kInfra;
  std::string message;
  int exit_code = 0;  ///< of the first rank that failed
};

struct Verdict {
  Charge charge = Charge::kNothing;
  bool by_rule = false;                ///< an on_log rule says that it does not count
  std::optional<std::string> failure;  ///< the trial ends as failed, with this; else it goes on
  int delayed = 0;  ///< how many failures in a row delay the next start; 0: it starts at once
};

/// At most `most_by_rule` attempts of a trial are uncharged by on_log rules; after that they count by their cause.
Verdict Judge(const Sweep& sweep, const Trial& trial, const Attempt& attempt, const Loss& loss,
              int most_by_rule);

}  // namespace muster::coordinator

#include "runtime/agent/agent.h"

#include "runtime/agent/machine.h"

namespace muster::agent {

Agent::Agent(Options options) : machine_(std::make_unique<Machine>(std::move(options))) {}
Agent::~Agent() = default;
Agent::Agent(Agent&&) noexcept = default;
Agent& Agent::operator=(Agent&&) noexcept = default;

Effects Agent::Step(const Input& input, MonotonicTime now) { return machine_->Step(input, now); }

int Agent::live_attempts() const { return machine_->LiveAttempts(); }

}  // namespace muster::agent

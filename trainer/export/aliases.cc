#include "trainer/export/aliases.h"

namespace muster::exporting {

Aliases::Look& Aliases::At(std::size_t value) {
  if (value >= looks_.size()) looks_.resize(value + 1);
  return looks_[value];
}

const Aliases::Look* Aliases::Find(std::size_t value) const {
  return value < looks_.size() && looks_[value].tensor ? &looks_[value] : nullptr;
}

void Aliases::Fresh(std::size_t value, bool state) {
  memories_.push_back({.state = state});
  At(value) = {memories_.size() - 1, 0, true};
}

void Aliases::View(std::size_t value, std::size_t base) {
  const Look look = At(base);
  At(value) = look;
}

void Aliases::Written(std::size_t value, std::size_t base) {
  const Look look = At(base);
  const int version = ++memories_[look.memory].version;
  At(value) = {look.memory, version, true};
}

void Aliases::Capture(std::size_t value) {
  if (const Look* look = Find(value)) memories_[look->memory].captured = true;
}

bool Aliases::Stale(std::size_t value) const {
  const Look* look = Find(value);
  return look != nullptr && look->version < memories_[look->memory].version;
}

bool Aliases::IsState(std::size_t value) const {
  const Look* look = Find(value);
  return look != nullptr && memories_[look->memory].state;
}

bool Aliases::Captured(std::size_t value) const {
  const Look* look = Find(value);
  return look != nullptr && memories_[look->memory].captured;
}

}  // namespace muster::exporting

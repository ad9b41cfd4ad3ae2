#include "runtime/cli/use_text.h"

#include <cstdio>

#include "runtime/cli/context.h"

namespace muster::cli {
namespace {

/// "1.3 M" of a number, by steps of `step`.
std::string Scaled(double number, double step, const char* const (&units)[4]) {
  int unit = 0;
  for (; number >= step && unit < 3; ++unit) number /= step;
  char text[48];
  std::snprintf(text, sizeof text, "%.1f %s", number, units[unit]);
  return text;
}

}  // namespace

std::string EnergyText(double joules) { return Scaled(joules, 1'000, {"J", "kJ", "MJ", "GJ"}); }

std::string UseText(const wire::UseSummary& used) {
  if (used.slot_seconds == 0) return "";
  const auto lost = [](double seconds) {
    return seconds > 0 ? " (" + Span(seconds) + " lost)" : std::string();
  };
  std::string text = "slots " + Span(used.slot_seconds) + lost(used.lost_slot_seconds);
  if (used.gpu_seconds > 0)
    text += ", GPUs " + Span(used.gpu_seconds) + lost(used.lost_gpu_seconds);
  if (used.cpu_seconds) text += ", CPU " + Span(*used.cpu_seconds);
  if (used.gpu_busy_seconds && used.gpu_seconds > 0)
    text += ", GPUs busy " + Span(*used.gpu_busy_seconds);
  if (used.memory_bytes) {
    text += ", " +
            Scaled(static_cast<double>(*used.memory_bytes) / 1'024, 1'024,
                   {"KiB", "MiB", "GiB", "TiB"}) +
            " of memory at most";
  }
  if (used.joules) text += ", " + EnergyText(*used.joules);
  return text;
}

}  // namespace muster::cli

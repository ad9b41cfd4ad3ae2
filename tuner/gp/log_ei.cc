#include "tuner/gp/log_ei.h"

#include <cmath>

#include "runtime/base/math.h"

namespace muster::tuner::gp {
namespace {

constexpr double kSqrtHalfPi = 1.2533141373155002512;
constexpr double kLogSqrtTwoPi = 0.91893853320467274178;

/// Mills' ratio Phi(z) / phi(z), for z <= 0.
double Mills(double z) { return kSqrtHalfPi * math::Erfcx(-z * M_SQRT1_2); }

}  // namespace

Slope LogH(double z) {
  if (z > -1) {
    const double density = math::Exp(-0.5 * z * z - kLogSqrtTwoPi), below = math::NormalCdf(z);
    const double h = density + z * below;
    return {math::Log(h), below / h};
  }
  const double log_density = -0.5 * z * z - kLogSqrtTwoPi;
  // h / phi is 1 + z Phi / phi, a difference of which nothing is left far out; there its series is used.
  const double mills = Mills(z), far = 1 / (z * z);
  const double ratio = z < -200 ? far * (1 - far * (3 - 15 * far)) : 1 + z * mills;
  return {log_density + math::Log(ratio), mills / ratio};
}

Slope LogPhi(double z) {
  if (z > 0) {
    return {math::LogNormalCdf(z), math::Exp(-0.5 * z * z - kLogSqrtTwoPi) / math::NormalCdf(z)};
  }
  const double mills = Mills(z);
  return {math::Log(mills) - 0.5 * z * z - kLogSqrtTwoPi, 1 / mills};
}

}  // namespace muster::tuner::gp

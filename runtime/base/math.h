#pragma once

/// Functions whose last bit is the same on every host. libm's differ from release to release and from CPU to
/// CPU, which is enough to send a replayed search another way. Only IEEE 754 basic operations and square roots
/// in a fixed order are used here (the build turns contraction to fused operations off).
///
/// Errors are below 2 units in the last place unless a function says otherwise. NaN in, NaN out. Pure; any
/// thread.

namespace muster::math {

/// +inf from 709.79 on, 0 below -745.14; subnormal results are rounded once more.
double Exp(double x);
/// exp(x) - 1 without cancellation near 0.
double Expm1(double x);
/// -inf at 0, NaN below.
double Log(double x);
/// log(1 + x) without cancellation near 0; -inf at -1, NaN below.
double Log1p(double x);
/// base to the power, as Exp(power * Log(base)): the relative error grows with |power * log(base)| units.
/// base >= 0; 0 to a power above 0 is 0, anything to the power 0 is 1.
double Pow(double base, double power);

/// (2 / sqrt(pi)) times the integral of exp(-t^2) from 0 to x. Errors to 3 units in the last place.
double Erf(double x);
/// 1 - erf(x); 0 beyond 27. Errors to 5 units in the last place.
double Erfc(double x);
/// exp(x^2) erfc(x), which neither under- nor overflows for x >= 0; +inf below -26.6.
double Erfcx(double x);
/// The standard normal distribution function, and its logarithm, which does not underflow in the lower tail.
/// The relative error grows with x^2: x / sqrt(2) is rounded.
double NormalCdf(double x);
double LogNormalCdf(double x);
/// log(Phi(b) - Phi(a)), from the tail that keeps its digits; a < b.
double LogNormalMass(double a, double b);

}  // namespace muster::math

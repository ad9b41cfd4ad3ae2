#include "tuner/gp/triangle.h"

#include <Eigen/Core>

namespace muster::tuner::gp {
namespace {

using Matrix = Eigen::MatrixXd;
using Block = Eigen::Ref<Matrix, 0, Eigen::OuterStride<>>;

/// By halves: [A 0; B C] has [1/A 0; -1/C B 1/A, 1/C].
void Invert(Block lower) {
  const Eigen::Index n = lower.rows();
  if (n <= 32) {
    for (Eigen::Index j = 0; j < n; ++j) {
      lower(j, j) = 1 / lower(j, j);
      for (Eigen::Index i = j + 1; i < n; ++i) {
        double sum = 0;
        for (Eigen::Index k = j; k < i; ++k) sum += lower(i, k) * lower(k, j);
        lower(i, j) = -sum / lower(i, i);
      }
    }
    return;
  }
  const Eigen::Index half = (n / 2 + 15) / 16 * 16, rest = n - half;
  Invert(lower.topLeftCorner(half, half));
  Invert(lower.bottomRightCorner(rest, rest));
  const Matrix a = lower.topLeftCorner(half, half).triangularView<Eigen::Lower>();
  const Matrix c = lower.bottomRightCorner(rest, rest).triangularView<Eigen::Lower>();
  const Matrix b = lower.bottomLeftCorner(rest, half);
  lower.bottomLeftCorner(rest, half).noalias() = -(c * (b * a));
}

}  // namespace

void FixBlocks() {
  static const bool fixed = [] {
    Eigen::setCpuCacheSizes(32 << 10, 256 << 10, 2 << 20);
    return true;
  }();
  (void)fixed;
}

void InvertLower(double* lower, std::size_t n) {
  const auto size = static_cast<Eigen::Index>(n);
  Invert(
      Eigen::Map<Matrix, 0, Eigen::OuterStride<>>(lower, size, size, Eigen::OuterStride<>(size)));
}

}  // namespace muster::tuner::gp

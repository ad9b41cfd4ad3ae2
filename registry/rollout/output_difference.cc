#include "registry/rollout/output_difference.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "registry/tensor_values.h"

namespace muster::registry {
namespace {

constexpr double kConfidence = 0.95;

std::int64_t RowCount(const std::vector<Tensor>& outputs) {
  if (outputs.empty() || outputs[0].shape.empty()) return 1;
  return outputs[0].shape[0];
}

const Tensor* Named(const std::vector<Tensor>& tensors, const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &Tensor::name);
  return found == tensors.end() ? nullptr : &*found;
}

bool Alike(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= tolerance * std::max(1.0, std::abs(a));
}

std::ptrdiff_t Largest(std::span<const double> row) {
  return std::ranges::max_element(row) - row.begin();
}

}  // namespace

void OutputDifference::AddFailure(std::int64_t rows) {
  same_.trials += rows;
  largest_.trials += rows;
}

void OutputDifference::Add(const std::vector<Tensor>& champion,
                           const std::vector<Tensor>& challenger) {
  std::vector<char> same(static_cast<std::size_t>(RowCount(champion)), 1);
  for (const Tensor& output : champion) {
    const Tensor* other = Named(challenger, output.name);
    if (other == nullptr || other->type != output.type || other->shape != output.shape) {
      std::ranges::fill(same, 0);
    } else {
      AddTensor(output, *other, same);
    }
  }
  if (challenger.size() != champion.size()) std::ranges::fill(same, 0);
  same_.trials += static_cast<std::int64_t>(same.size());
  same_.successes += std::ranges::count(same, 1);
}

void OutputDifference::AddTensor(const Tensor& champion, const Tensor& challenger,
                                 std::vector<char>& same) {
  const auto ours = ValuesAs<double>(champion);
  const auto theirs = ValuesAs<double>(challenger);
  // An output that has no row for each row of the first is one row's.
  const bool by_row = !same.empty() && !champion.shape.empty() &&
                      champion.shape[0] == static_cast<std::int64_t>(same.size());
  const std::size_t rows = by_row ? same.size() : 1;
  const std::size_t width = ours.size() / rows;
  const bool is_float = FractionBits(champion.type) > 0;
  for (std::size_t row = 0; row < rows && width > 0; ++row) {
    const std::span a(ours.data() + row * width, width), b(theirs.data() + row * width, width);
    for (std::size_t i = 0; i < width; ++i) {
      const double difference = std::abs(a[i] - b[i]);
      if (std::isfinite(difference)) {
        ++numbers_;
        sum_ += difference;
        max_ = std::max(max_, difference);
      }
      if (Alike(a[i], b[i], is_float ? tolerance_ : 0)) continue;
      if (by_row) same[row] = 0;
      if (!by_row) std::ranges::fill(same, 0);
    }
    if (!is_float || width < 2) continue;
    ++largest_.trials;
    largest_.successes += Largest(a) == Largest(b) ? 1 : 0;
  }
}

OutputDifference::Figures OutputDifference::figures() const {
  const auto interval = [](const statistics::Rate& rate) {
    return statistics::SequentialInterval(rate.successes, rate.trials, kConfidence);
  };
  return {same_,
          largest_,
          interval(same_),
          interval(largest_),
          numbers_ == 0 ? 0 : sum_ / static_cast<double>(numbers_),
          max_};
}

}  // namespace muster::registry

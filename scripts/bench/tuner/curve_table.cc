// Writes the table that multi_fidelity.py searches: validation losses of a small classifier, a line a
// configuration, a column an epoch.
//
//   g++ -std=c++20 -O3 -I. scripts/bench/tuner/curve_table.cc runtime/base/{math,random,check}.cc -lcrypto
//   a.out TABLE.csv [PROBLEM [EXAMPLES]]
//
// 2,000 configurations are the grid of lr (10 values), batch (5), width (5), momentum (4) and activation (softsign, relu). Each
// is trained for 81 epochs by SGD on 600 examples of a made-up problem: 16 numbers an example, 8 classes given by
// a random network of 12 units, a tenth of the labels replaced by random ones. Another PROBLEM (11) is another such
// network, and more EXAMPLES are overfitted less: tables to try changes on before the one that is reported. The loss is the mean
// cross-entropy over 700 other examples, nan once it is not finite. All draws come from counter-based random
// numbers, so the table is the same each time. It takes minutes.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "runtime/base/math.h"
#include "runtime/base/random.h"

namespace {

using muster::Random;

constexpr int kInputs = 16, kClasses = 8, kEpochs = 81, kTest = 700;
constexpr int kTeacher = 12, kMostWidth = 64;
constexpr double kRates[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1};
constexpr int kBatches[] = {8, 16, 32, 64, 128};
constexpr int kWidths[] = {4, 8, 16, 32, 64};
constexpr double kMomenta[] = {0, 0.5, 0.8, 0.95};

struct Data {
  std::vector<float> inputs_NI;
  std::vector<int> labels_N;
};

/// Like tanh, of basic operations only, whose results are the same on every machine.
float Softsign(float x) { return x / (1 + std::abs(x)); }
float Square(float x) { return x * x; }

Data Make(int examples, std::uint64_t problem, std::uint64_t stream) {
  Random teacher(problem, 1), random(problem, stream);
  std::vector<double> first(kInputs * kTeacher), second(kTeacher * kClasses);
  for (double& w : first) w = teacher.Normal() * 0.7;
  for (double& w : second) w = teacher.Normal();
  Data data;
  for (int n = 0; n < examples; ++n) {
    double hidden[kTeacher] = {}, best = -1e9;
    for (int i = 0; i < kInputs; ++i) {
      data.inputs_NI.push_back(static_cast<float>(random.Normal()));
      for (int h = 0; h < kTeacher; ++h)
        hidden[h] += data.inputs_NI.back() * first[i * kTeacher + h];
    }
    int label = 0;
    for (int c = 0; c < kClasses; ++c) {
      double score = 0;
      for (int h = 0; h < kTeacher; ++h)
        score += Softsign(static_cast<float>(hidden[h])) * second[h * kClasses + c];
      if (score > best) {
        best = score;
        label = c;
      }
    }
    const bool noisy = random.Chance(0.1);
    const int other = static_cast<int>(random.Below(kClasses));
    data.labels_N.push_back(noisy ? other : label);
  }
  return data;
}

/// One hidden layer; weights of both layers with their biases as the last row, input-major.
class Net {
 public:
  Net(int width, bool relu, std::uint64_t stream)
      : width_(width),
        relu_(relu),
        first_((kInputs + 1) * width),
        second_((width + 1) * kClasses),
        first_speed_(first_.size()),
        second_speed_(second_.size()) {
    Random random(12, stream);
    for (int i = 0; i < kInputs * width; ++i)
      first_[i] = static_cast<float>(random.Normal() / std::sqrt(double{kInputs}));
    for (int i = 0; i < width * kClasses; ++i)
      second_[i] = static_cast<float>(random.Normal() / std::sqrt(double(width)));
  }

  /// The cross-entropy; leaves class probabilities in p_.
  double Forward(const float* x, int label) {
    for (int h = 0; h < width_; ++h) hidden_[h] = first_[kInputs * width_ + h];
    for (int i = 0; i < kInputs; ++i)
      for (int h = 0; h < width_; ++h) hidden_[h] += x[i] * first_[i * width_ + h];
    for (int h = 0; h < width_; ++h)
      hidden_[h] = relu_ ? std::max(0.0F, hidden_[h]) : Softsign(hidden_[h]);
    for (int c = 0; c < kClasses; ++c) p_[c] = second_[width_ * kClasses + c];
    for (int h = 0; h < width_; ++h)
      for (int c = 0; c < kClasses; ++c) p_[c] += hidden_[h] * second_[h * kClasses + c];
    float most = p_[0];
    for (int c = 1; c < kClasses; ++c) most = std::max(most, p_[c]);
    double sum = 0;
    const double own = p_[label] - most;
    for (int c = 0; c < kClasses; ++c) {
      const double e = muster::math::Exp(p_[c] - most);
      p_[c] = static_cast<float>(e);
      sum += e;
    }
    for (int c = 0; c < kClasses; ++c) p_[c] = static_cast<float>(p_[c] / sum);
    return muster::math::Log(sum) - own;
  }

  void Step(const Data& data, const std::vector<int>& order, int from, int to, float rate,
            float momentum) {
    std::vector<float> first(first_.size()), second(second_.size());
    for (int n = from; n < to; ++n) {
      const float* x = &data.inputs_NI[order[n] * kInputs];
      const int label = data.labels_N[order[n]];
      Forward(x, label);
      p_[label] -= 1;
      float back[kMostWidth] = {};
      for (int h = 0; h < width_; ++h) {
        for (int c = 0; c < kClasses; ++c) {
          back[h] += p_[c] * second_[h * kClasses + c];
          second[h * kClasses + c] += p_[c] * hidden_[h];
        }
        back[h] *= relu_ ? (hidden_[h] > 0 ? 1.0F : 0.0F) : Square(1 - std::abs(hidden_[h]));
      }
      for (int c = 0; c < kClasses; ++c) second[width_ * kClasses + c] += p_[c];
      for (int i = 0; i < kInputs; ++i)
        for (int h = 0; h < width_; ++h) first[i * width_ + h] += x[i] * back[h];
      for (int h = 0; h < width_; ++h) first[kInputs * width_ + h] += back[h];
    }
    const float scale = rate / static_cast<float>(to - from);
    const auto move = [&](auto& weights, auto& speed, const auto& gradient) {
      for (std::size_t i = 0; i < weights.size(); ++i) {
        speed[i] = momentum * speed[i] - scale * gradient[i];
        weights[i] += speed[i];
      }
    };
    move(first_, first_speed_, first);
    move(second_, second_speed_, second);
  }

 private:
  int width_;
  bool relu_;
  std::vector<float> first_, second_, first_speed_, second_speed_;
  float hidden_[kMostWidth] = {}, p_[kClasses] = {};
};

void Train(std::FILE* out, const Data& train, const Data& test, const int (&at)[5],
           std::uint64_t stream) {
  Net net(kWidths[at[2]], at[4] == 1, stream);
  const int examples = static_cast<int>(train.labels_N.size());
  std::vector<int> order(examples);
  for (int n = 0; n < examples; ++n) order[n] = n;
  Random random(13, stream);
  for (const int index : at) std::fprintf(out, "%d,", index);
  for (int epoch = 1; epoch <= kEpochs; ++epoch) {
    for (int n = examples - 1; n > 0; --n) std::swap(order[n], order[random.Below(n + 1)]);
    const int batch = kBatches[at[1]];
    for (int n = 0; n < examples; n += batch) {
      net.Step(train, order, n, std::min(examples, n + batch), static_cast<float>(kRates[at[0]]),
               static_cast<float>(kMomenta[at[3]]));
    }
    double loss = 0;
    for (int n = 0; n < kTest; ++n)
      loss += net.Forward(&test.inputs_NI[n * kInputs], test.labels_N[n]) / kTest;
    const char* end = epoch == kEpochs ? "\n" : ",";
    if (std::isfinite(loss)) {
      std::fprintf(out, "%.4f%s", loss, end);
    } else {
      std::fprintf(out, "nan%s", end);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2 || count > 4) {
    std::fprintf(stderr, "usage: curve_table TABLE.csv [PROBLEM [EXAMPLES]]\n");
    return 2;
  }
  const std::uint64_t problem = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 11;
  const int examples = count > 3 ? std::atoi(arguments[3]) : 600;
  const Data train = Make(examples, problem, 2), test = Make(kTest, problem, 3);
  std::FILE* out = std::fopen(arguments[1], "w");
  if (out == nullptr) {
    std::perror(arguments[1]);
    return 1;
  }
  std::uint64_t stream = 0;
  for (int lr = 0; lr < 10; ++lr)
    for (int batch = 0; batch < 5; ++batch)
      for (int width = 0; width < 5; ++width)
        for (int momentum = 0; momentum < 4; ++momentum)
          for (int relu = 0; relu < 2; ++relu)
            Train(out, train, test, {lr, batch, width, momentum, relu}, stream++);
  return std::fclose(out) == 0 ? 0 : 1;
}

#pragma once

#include <array>
#include <cstdint>
#include <string>

/// Counter-based random numbers: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel Random
/// Numbers: As Easy as 1, 2, 3" (SC 2011). A draw is a function of (seed, stream, index) alone, so
/// there is no state to save, resumed work repeats nothing and two workers never collide.

namespace muster {

/// One block of Philox4x32-10: `counter` and `key` as in the paper.
std::array<std::uint32_t, 4> Philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// A sequence of draws from (seed, stream). Copy it to replay it. Satisfies
/// UniformRandomBitGenerator, but use the methods below: the standard distributions differ between
/// libraries, these do not.
class Random {
 public:
  using result_type = std::uint64_t;

  /// `stream` separates uses of one seed (a trial number, a rank, an epoch).
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type operator()() { return Next(); }

  /// 64 random bits.
  std::uint64_t Next();
  /// Uniform in [0, 1) with 53 bits.
  double Uniform();
  /// Uniform in [low, high); `low` when the interval is empty.
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  /// Uniform in [0, bound) without bias; bound > 0.
  std::uint64_t Below(std::uint64_t bound);
  /// Standard normal, by inversion of the distribution function (one draw a number).
  double Normal();
  /// True with probability p.
  bool Chance(double p) { return Uniform() < p; }

  /// The index of the next 64-bit draw; `Seek` continues from such an index.
  [[nodiscard]] std::uint64_t position() const { return index_; }
  void Seek(std::uint64_t index) { index_ = index; }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t index_ = 0;
};

/// `bytes` bytes of the operating system's entropy as lower-case hexadecimal; for ids and tokens.
std::string RandomHex(std::size_t bytes);

/// A random UUID (RFC 9562, version 4) of the same entropy, in lower case.
std::string RandomUuid();

/// The inverse of the standard normal distribution function, p in (0, 1); Wichura's algorithm AS 241
/// (PPND16), about 1e-16 relative. Answers -inf and +inf at 0 and 1, NaN outside.
double InverseNormalCdf(double p);

}  // namespace muster

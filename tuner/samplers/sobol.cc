#include "tuner/samplers/sobol.h"

#include <array>

namespace muster::tuner {
namespace {

constexpr std::size_t kBits = 32;
constexpr std::uint64_t kScrambles = 0x50b01ULL
                                     << 40;  ///< streams of random numbers; beside trial numbers
constexpr std::uint64_t kOrders = 0x50b02ULL << 40;
constexpr int kRedraws = 20;

/// A primitive polynomial of degree s, x^s + a_1 x^(s-1) + ... + 1, where a holds a_1 ... a_(s-1) as bits, and
/// the first s direction numbers times 2^k.
struct Row {
  int s;
  std::uint32_t a;
  std::array<std::uint16_t, 9> m;
};

constexpr std::array<Row, kSobolDimensions - 1> kRows{{
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
    {7, 4, {1, 3, 7, 13, 13, 15, 69}},
    {7, 7, {1, 1, 3, 13, 7, 35, 63}},
    {7, 8, {1, 3, 5, 9, 1, 25, 53}},
    {7, 14, {1, 3, 1, 13, 9, 35, 107}},
    {7, 19, {1, 3, 1, 5, 27, 61, 31}},
    {7, 21, {1, 1, 5, 11, 19, 41, 61}},
    {7, 28, {1, 3, 5, 3, 3, 13, 69}},
    {7, 31, {1, 1, 7, 13, 1, 19, 1}},
    {7, 32, {1, 3, 7, 5, 13, 19, 59}},
    {7, 37, {1, 1, 3, 9, 25, 29, 41}},
    {7, 41, {1, 3, 5, 13, 23, 1, 55}},
    {7, 42, {1, 3, 7, 3, 13, 59, 17}},
    {7, 50, {1, 3, 1, 3, 5, 53, 69}},
    {7, 55, {1, 1, 5, 5, 23, 33, 13}},
    {7, 56, {1, 1, 7, 7, 1, 61, 123}},
    {7, 59, {1, 1, 7, 9, 13, 61, 49}},
    {7, 62, {1, 3, 3, 5, 3, 55, 33}},
    {8, 14, {1, 3, 1, 15, 31, 13, 49, 245}},
    {8, 21, {1, 3, 5, 15, 31, 59, 63, 97}},
    {8, 22, {1, 3, 1, 11, 11, 11, 77, 249}},
    {8, 38, {1, 3, 1, 11, 27, 43, 71, 9}},
    {8, 47, {1, 1, 7, 15, 21, 11, 81, 45}},
    {8, 49, {1, 3, 7, 3, 25, 31, 65, 79}},
    {8, 50, {1, 3, 1, 1, 19, 11, 3, 205}},
    {8, 52, {1, 1, 5, 9, 19, 21, 29, 157}},
    {8, 56, {1, 3, 7, 11, 1, 33, 89, 185}},
    {8, 67, {1, 3, 3, 3, 15, 9, 79, 71}},
    {8, 70, {1, 3, 7, 11, 15, 39, 119, 27}},
    {8, 84, {1, 1, 3, 1, 11, 31, 97, 225}},
    {8, 97, {1, 1, 1, 3, 23, 43, 57, 177}},
    {8, 103, {1, 3, 7, 7, 17, 17, 37, 71}},
    {8, 115, {1, 3, 1, 5, 27, 63, 123, 213}},
    {8, 122, {1, 1, 3, 5, 11, 43, 53, 133}},
    {9, 8, {1, 3, 5, 5, 29, 17, 47, 173, 479}},
    {9, 13, {1, 3, 3, 11, 3, 1, 109, 9, 69}},
    {9, 16, {1, 1, 1, 5, 17, 39, 23, 5, 343}},
    {9, 22, {1, 3, 1, 5, 25, 15, 31, 103, 499}},
    {9, 25, {1, 1, 1, 11, 11, 17, 63, 105, 183}},
    {9, 44, {1, 1, 5, 11, 9, 29, 97, 231, 363}},
    {9, 47, {1, 1, 5, 15, 19, 45, 41, 7, 383}},
    {9, 52, {1, 3, 7, 7, 31, 19, 83, 137, 221}},
    {9, 55, {1, 1, 1, 3, 23, 15, 111, 223, 83}},
    {9, 59, {1, 1, 5, 13, 31, 15, 55, 25, 161}},
    {9, 62, {1, 1, 3, 13, 25, 47, 39, 87, 257}},
    {9, 67, {1, 1, 1, 11, 21, 53, 125, 249, 293}},
    {9, 74, {1, 1, 7, 11, 11, 7, 57, 79, 323}},
    {9, 81, {1, 1, 5, 5, 17, 13, 81, 3, 131}},
    {9, 82, {1, 1, 7, 13, 23, 7, 65, 251, 475}},
    {9, 87, {1, 3, 5, 1, 9, 43, 3, 149, 11}},
    {9, 91, {1, 1, 3, 13, 31, 13, 13, 255, 487}},
    {9, 94, {1, 3, 3, 1, 5, 63, 89, 91, 127}},
    {9, 103, {1, 1, 3, 3, 1, 19, 123, 127, 237}},
    {9, 104, {1, 1, 5, 7, 23, 31, 37, 243, 289}},
    {9, 109, {1, 1, 5, 11, 17, 53, 117, 183, 491}},
    {9, 122, {1, 1, 1, 5, 1, 13, 13, 209, 345}},
    {9, 124, {1, 1, 3, 15, 1, 57, 115, 7, 33}},
    {9, 137, {1, 3, 1, 11, 7, 43, 81, 207, 175}},
    {9, 138, {1, 3, 1, 1, 15, 27, 63, 255, 49}},
    {9, 143, {1, 3, 5, 3, 27, 61, 105, 171, 305}},
    {9, 145, {1, 1, 5, 3, 1, 3, 57, 249, 149}},
    {9, 152, {1, 1, 3, 5, 5, 57, 15, 13, 159}},
    {9, 157, {1, 1, 1, 11, 7, 11, 105, 141, 225}},
    {9, 167, {1, 3, 3, 5, 27, 59, 121, 101, 271}},
    {9, 173, {1, 3, 5, 9, 11, 49, 51, 59, 115}},
    {9, 176, {1, 1, 7, 1, 23, 45, 125, 71, 419}},
    {9, 181, {1, 1, 3, 5, 23, 5, 105, 109, 75}},
    {9, 182, {1, 1, 7, 15, 7, 11, 67, 121, 453}},
    {9, 185, {1, 3, 7, 3, 9, 13, 31, 27, 449}},
    {9, 191, {1, 3, 1, 15, 19, 39, 39, 89, 15}},
    {9, 194, {1, 1, 1, 1, 1, 33, 73, 145, 379}},
    {9, 199, {1, 3, 1, 15, 15, 43, 29, 13, 483}},
    {9, 218, {1, 1, 7, 3, 19, 27, 85, 131, 431}},
    {9, 220, {1, 3, 3, 3, 5, 35, 23, 195, 349}},
    {9, 227, {1, 3, 3, 7, 9, 27, 39, 59, 297}},
    {9, 229, {1, 1, 3, 9, 11, 17, 13, 241, 157}},
    {9, 230, {1, 3, 7, 15, 25, 57, 33, 189, 213}},
}};

using Directions = std::array<std::uint32_t, kBits>;

constexpr Directions DirectionsOf(const Row& row) {
  Directions v{};
  const auto s = static_cast<std::size_t>(row.s);
  for (std::size_t k = 0; k < kBits; ++k) {
    if (k < s) {
      v[k] = std::uint32_t{row.m[k]} << (kBits - 1 - k);
      continue;
    }
    v[k] = v[k - s] ^ (v[k - s] >> s);
    for (std::size_t j = 1; j < s; ++j) {
      if (((row.a >> (s - 1 - j)) & 1) != 0) v[k] ^= v[k - j];
    }
  }
  return v;
}

constexpr auto kDirections = [] {
  std::array<Directions, kSobolDimensions> all{};
  for (std::size_t k = 0; k < kBits; ++k) all[0][k] = std::uint32_t{1} << (kBits - 1 - k);
  for (std::size_t d = 1; d < kSobolDimensions; ++d) all[d] = DirectionsOf(kRows[d - 1]);
  return all;
}();

std::uint32_t Bits(std::uint32_t index, std::size_t dimension) {
  const Directions& v = kDirections[dimension];
  std::uint32_t x = 0;
  for (std::size_t k = 0; index != 0; ++k, index >>= 1) x ^= v[k] & (0U - (index & 1));
  return x;
}

std::uint32_t Reversed(std::uint32_t x) {
  x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
  x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
  x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
  return __builtin_bswap32(x);
}

/// Owen's nested uniform scrambling: whether a bit flips depends on the bits above it alone. The hash is the
/// one of Laine and Karras (2011), in which a bit depends on the bits below, with Vegdahl's constants.
std::uint32_t OwenScrambled(std::uint32_t x, std::uint32_t seed) {
  x = Reversed(x);
  x ^= x * 0x3d20adeaU;
  x += seed;
  x *= (seed >> 16) | 1;
  x ^= x * 0x05526c56U;
  x ^= x * 0x53a22864U;
  return Reversed(x);
}

std::uint32_t SeedOf(std::uint64_t seed, std::uint64_t stream) {
  return static_cast<std::uint32_t>(Random(seed, stream).Next() >> 32);
}

}  // namespace

double PlainSobol(std::uint32_t index, std::size_t dimension) {
  return Bits(index, dimension % kSobolDimensions) * 0x1p-32;
}

double ScrambledSobol(std::uint64_t seed, std::uint32_t index, std::size_t dimension) {
  if (const std::size_t round = dimension / kSobolDimensions; round > 0) {
    index = OwenScrambled(index, SeedOf(seed, kOrders + round));
  }
  const std::uint32_t x = OwenScrambled(Bits(index, dimension % kSobolDimensions),
                                        SeedOf(seed, kScrambles + dimension));
  return (x + 0.5) * 0x1p-32;
}

Point SobolSampler::At(std::uint64_t seed, std::uint32_t index) const {
  Point point(space_->size());
  for (std::size_t i = 0; i < point.size(); ++i) {
    point[i] = space_->FromUnit(i, ScrambledSobol(seed, index, i));
  }
  return space_->Allows(point) ? space_->Snap(std::move(point)) : space_->Repair(std::move(point));
}

Result<Suggestion> SobolSampler::Suggest(std::int64_t number, const History& history) {
  seen_.Read(history);
  const auto index = static_cast<std::uint32_t>(number);
  const Point first = At(seed_, index);
  if (!seen_.Contains(first)) return Suggestion{space_->Decode(first), "sobol"};
  // A finite space: the same index of other scramblings, then any point that is left.
  Random random(seed_, static_cast<std::uint64_t>(number));
  for (int redraw = 0; redraw < kRedraws; ++redraw) {
    const Point point = At(random.Next(), index);
    if (!seen_.Contains(point)) return Suggestion{space_->Decode(point), "sobol"};
  }
  auto unseen = seen_.Unseen(random);
  if (unseen.ok()) return Suggestion{space_->Decode(*unseen), "sobol"};
  if (unseen.error().kind != ErrorKind::kNotFound) return unseen.error();
  return Suggestion{space_->Decode(first), "sobol"};
}

std::string SobolSampler::Explain(const History& history) {
  return "sobol: scrambled Sobol points, trial n is point n; " + std::to_string(history.size()) +
         " of the sequence are out" +
         (space_->size() > kSobolDimensions
              ? "; more parameters than dimensions: some share one in another order"
              : "");
}

}  // namespace muster::tuner

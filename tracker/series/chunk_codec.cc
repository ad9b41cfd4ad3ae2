#include "tracker/series/chunk_codec.h"

#include <zlib.h>

#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "runtime/base/check.h"
#include "tracker/series/varint.h"

namespace muster::tracker {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr char kFormat = 1;
constexpr std::size_t kSumBytes = 4;
constexpr std::size_t kPlanes = 8;
/// Of a byte plane, two bits each in front of the planes.
enum PlaneMode : unsigned { kZero = 0, kRaw = 1, kRuns = 2 };

using Words = std::array<std::uint64_t, kChunkPoints>;
using Numbers = std::array<std::int64_t, kChunkPoints>;

std::uint32_t SumOf(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

/// A zero is followed by how many more there are.
void AppendZeros(std::string& out, std::size_t zeros) {
  if (zeros == 0) return;
  out += '\0';
  AppendVarint(out, zeros - 1);
}

/// How much each difference differs from the one before; nothing does so in a steady column. Differences
/// wrap around, which unsigned arithmetic undoes.
template <std::int64_t Point::* member>
void AppendColumn(std::string& out, std::span<const Point> points) {
  std::uint64_t before = 0, step = 0;
  std::size_t zeros = 0;
  for (const Point& point : points) {
    const auto now = static_cast<std::uint64_t>(point.*member);
    const std::uint64_t change = (now - before) - step;
    step = now - before;
    before = now;
    if (change == 0) {
      ++zeros;
      continue;
    }
    AppendZeros(out, zeros);
    zeros = 0;
    AppendVarint(out, Fold(static_cast<std::int64_t>(change)));
  }
  AppendZeros(out, zeros);
}

bool TakeColumn(std::string_view& in, std::span<std::int64_t> numbers) {
  std::uint64_t before = 0, step = 0, zeros = 0;
  for (std::int64_t& number : numbers) {
    if (zeros > 0) {
      --zeros;
    } else {
      std::uint64_t folded = 0;
      if (!TakeVarint(in, folded)) return false;
      if (folded == 0 && !TakeVarint(in, zeros)) return false;
      step += static_cast<std::uint64_t>(Unfold(folded));
    }
    before += step;
    number = static_cast<std::int64_t>(before);
  }
  return zeros == 0;
}

std::string RunsOf(std::string_view plane) {
  std::string runs;
  std::size_t zeros = 0;
  for (const char byte : plane) {
    if (byte == 0) {
      ++zeros;
      continue;
    }
    AppendZeros(runs, zeros);
    zeros = 0;
    runs += byte;
    if (runs.size() >= plane.size()) break;  // no gain
  }
  AppendZeros(runs, zeros);
  return runs;
}

/// Each value's bits against those of the one before, cut into eight planes of bytes: those that say nothing
/// (the exponent's of a slow curve, the lowest of what was a float) cost nothing.
void AppendValues(std::string& out, std::span<const Point> points) {
  Words words;
  std::uint64_t before = 0;
  std::uint64_t any = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto bits = std::bit_cast<std::uint64_t>(points[i].value);
    words[i] = bits ^ before;
    any |= words[i];
    before = bits;
  }
  const std::size_t modes_at = out.size();
  out.append(2, '\0');
  std::uint16_t modes = 0;
  std::string plane(points.size(), '\0');
  for (unsigned p = 0; p < kPlanes; ++p) {
    if (((any >> (8 * p)) & 0xFF) == 0) continue;
    for (std::size_t i = 0; i < plane.size(); ++i) {
      plane[i] = static_cast<char>(words[i] >> (8 * p));
    }
    const std::string runs = RunsOf(plane);
    const bool shorter = runs.size() < plane.size();
    modes |= static_cast<std::uint16_t>((shorter ? kRuns : kRaw) << (2 * p));
    out += shorter ? runs : plane;
  }
  std::memcpy(&out[modes_at], &modes, sizeof(modes));
}

bool TakeRuns(std::string_view& in, std::span<std::uint64_t> words, unsigned shift) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (in.empty()) return false;
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    words[i] |= static_cast<std::uint64_t>(byte) << shift;
    if (byte != 0) continue;
    std::uint64_t more = 0;
    if (!TakeVarint(in, more) || more >= words.size() - i) return false;
    i += more;
  }
  return true;
}

bool TakeValues(std::string_view& in, std::span<std::uint64_t> words) {
  std::uint16_t modes = 0;
  if (in.size() < sizeof(modes)) return false;
  std::memcpy(&modes, in.data(), sizeof(modes));
  in.remove_prefix(sizeof(modes));
  for (unsigned p = 0; p < kPlanes; ++p) {
    const unsigned mode = (modes >> (2 * p)) & 3;
    if (mode == kZero) continue;
    if (mode == kRuns) {
      if (!TakeRuns(in, words, 8 * p)) return false;
      continue;
    }
    if (mode != kRaw || in.size() < words.size()) return false;
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] |= static_cast<std::uint64_t>(static_cast<unsigned char>(in[i])) << (8 * p);
    }
    in.remove_prefix(words.size());
  }
  for (std::size_t i = 1; i < words.size(); ++i) words[i] ^= words[i - 1];
  return true;
}

Error Broken(std::string_view bytes, std::string_view why) {
  return Corrupt("a chunk of " + std::to_string(bytes.size()) + " bytes: " + std::string(why));
}

}  // namespace

std::string EncodeChunk(std::span<const Point> points) {
  MUSTER_CHECK(!points.empty() && points.size() <= kChunkPoints, "1 to kChunkPoints points");
  std::string out;
  out.reserve(64 + 10 * points.size());
  out += kFormat;
  AppendVarint(out, points.size());
  AppendColumn<&Point::ts_ms>(out, points);
  AppendColumn<&Point::step>(out, points);
  AppendColumn<&Point::attempt>(out, points);
  AppendValues(out, points);
  const std::uint32_t sum = SumOf(out);
  out.append(reinterpret_cast<const char*>(&sum), kSumBytes);
  return out;
}

Status DecodeChunk(std::string_view bytes, std::vector<Point>& points) {
  if (bytes.size() < 1 + kSumBytes) return Broken(bytes, "too short");
  std::string_view in = bytes.substr(0, bytes.size() - kSumBytes);
  std::uint32_t sum = 0;
  std::memcpy(&sum, bytes.data() + in.size(), kSumBytes);
  if (sum != SumOf(in)) return Broken(bytes, "its checksum is wrong");
  if (in.front() != kFormat) return Broken(bytes, "format " + std::to_string(in.front()));
  in.remove_prefix(1);
  std::uint64_t count = 0;
  if (!TakeVarint(in, count) || count == 0 || count > kChunkPoints) {
    return Broken(bytes, "its count is not 1 to " + std::to_string(kChunkPoints));
  }
  Numbers ts, steps, attempts;
  Words values{};
  if (!TakeColumn(in, {ts.data(), count}) || !TakeColumn(in, {steps.data(), count}) ||
      !TakeColumn(in, {attempts.data(), count}) || !TakeValues(in, {values.data(), count}) ||
      !in.empty()) {
    return Broken(bytes, "its columns do not fit its length");
  }
  const std::size_t had = points.size();
  points.reserve(had + count);
  for (std::size_t i = 0; i < count; ++i) {
    points.push_back({ts[i], steps[i], std::bit_cast<double>(values[i]), attempts[i]});
    if (i > 0 && !Before(points[had + i - 1], points[had + i])) {
      points.resize(had);
      return Broken(bytes, "its points are not in order");
    }
  }
  return Ok();
}

}  // namespace muster::tracker

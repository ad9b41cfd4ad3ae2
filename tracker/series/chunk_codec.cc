#include "tracker/series/chunk_codec.h"

#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "runtime/base/check.h"
#include "runtime/base/varint.h"

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
  return libdeflate_crc32(0, bytes.data(), bytes.size());
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

/// Calls take(first, end, before, step) for each run of rows [first, end) that grow by `step` each from `before` on.
template <typename Take>
bool VisitColumn(std::string_view& in, std::size_t rows, Take take) {
  std::uint64_t before = 0, step = 0;
  for (std::size_t first = 0; first < rows;) {
    std::uint64_t folded = 0, more = 0;
    if (!TakeVarint(in, folded)) return false;
    if (folded == 0 && !TakeVarint(in, more)) return false;
    if (more >= rows - first) return false;
    step += static_cast<std::uint64_t>(Unfold(folded));
    const std::size_t end = first + 1 + more;
    take(first, end, before, step);
    before += step * (end - first);
    first = end;
  }
  return true;
}

bool TakeColumn(std::string_view& in, std::span<std::int64_t> numbers) {
  return VisitColumn(
      in, numbers.size(),
      [&](std::size_t first, std::size_t end, std::uint64_t before, std::uint64_t step) {
        for (std::size_t i = first; i < end; ++i) {
          before += step;
          numbers[i] = static_cast<std::int64_t>(before);
        }
      });
}

/// Those of a column's numbers that stand in `rows`, which ascend.
bool TakeColumnRows(std::string_view& in, std::size_t count, std::span<const std::size_t> rows,
                    std::span<std::int64_t> numbers) {
  std::size_t at = 0;
  return VisitColumn(
      in, count, [&](std::size_t first, std::size_t end, std::uint64_t before, std::uint64_t step) {
        for (; at < rows.size() && rows[at] < end; ++at) {
          numbers[at] = static_cast<std::int64_t>(before + step * (rows[at] - first + 1));
        }
      });
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

/// Calls take(row, byte) for each byte of a plane of zero runs that is not zero.
template <typename Take>
bool VisitRuns(std::string_view& in, std::size_t rows, Take take) {
  for (std::size_t i = 0; i < rows; ++i) {
    if (in.empty()) return false;
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    if (byte != 0) {
      take(i, byte);
      continue;
    }
    std::uint64_t more = 0;
    if (!TakeVarint(in, more) || more >= rows - i) return false;
    i += more;
  }
  return true;
}

/// Calls runs(plane) or raw(plane), which take it from the front of `in`, for each plane that is there.
template <typename Runs, typename Raw>
bool VisitPlanes(std::string_view& in, std::size_t rows, Runs runs, Raw raw) {
  std::uint16_t modes = 0;
  if (in.size() < sizeof(modes)) return false;
  std::memcpy(&modes, in.data(), sizeof(modes));
  in.remove_prefix(sizeof(modes));
  for (unsigned p = 0; p < kPlanes; ++p) {
    const unsigned mode = (modes >> (2 * p)) & 3;
    if (mode == kZero) continue;
    if (mode == kRuns) {
      if (!runs(p)) return false;
      continue;
    }
    if (mode != kRaw || in.size() < rows) return false;
    raw(p, in.substr(0, rows));
    in.remove_prefix(rows);
  }
  return true;
}

std::uint64_t InPlane(std::size_t byte, unsigned plane) {
  return std::uint64_t{byte} << (8 * plane);
}

bool TakeValues(std::string_view& in, std::span<std::uint64_t> words) {
  const auto runs = [&](unsigned plane) {
    return VisitRuns(in, words.size(), [&](std::size_t row, unsigned char byte) {
      words[row] |= InPlane(byte, plane);
    });
  };
  const auto raw = [&](unsigned plane, std::string_view bytes) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] |= InPlane(static_cast<unsigned char>(bytes[i]), plane);
    }
  };
  if (!VisitPlanes(in, words.size(), runs, raw)) return false;
  for (std::size_t i = 1; i < words.size(); ++i) words[i] ^= words[i - 1];
  return true;
}

/// All bytes against each other.
unsigned char XorOf(std::string_view bytes) {
  std::uint64_t wide = 0;
  for (; bytes.size() >= sizeof(wide); bytes.remove_prefix(sizeof(wide))) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    wide ^= word;
  }
  for (unsigned half = 32; half >= 8; half /= 2) wide ^= wide >> half;
  auto all = static_cast<unsigned char>(wide);
  for (const char byte : bytes) all ^= static_cast<unsigned char>(byte);
  return all;
}

/// Those of the values that stand in `rows`, which ascend: each is all words up to its row against each other.
bool TakeValueRows(std::string_view& in, std::size_t count, std::span<const std::size_t> rows,
                   std::span<std::uint64_t> words) {
  const auto runs = [&](unsigned plane) {
    unsigned char now = 0;
    std::size_t at = 0;
    const auto pass = [&](std::size_t row) {  // what stands before `row`
      for (; at < rows.size() && rows[at] < row; ++at) words[at] |= InPlane(now, plane);
    };
    const bool whole = VisitRuns(in, count, [&](std::size_t row, unsigned char byte) {
      pass(row);
      now ^= byte;
    });
    pass(count);
    return whole;
  };
  const auto raw = [&](unsigned plane, std::string_view bytes) {
    unsigned char now = 0;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < rows.size(); ++at) {
      now ^= XorOf(bytes.substr(begin, rows[at] + 1 - begin));
      begin = rows[at] + 1;
      words[at] |= InPlane(now, plane);
    }
  };
  return VisitPlanes(in, count, runs, raw);
}

Error Broken(std::string_view bytes, std::string_view why) {
  return Corrupt("a chunk of " + std::to_string(bytes.size()) + " bytes: " + std::string(why));
}
constexpr std::string_view kNoFit = "its columns do not fit its length";

/// How many points it has; `in` is what follows.
Result<std::size_t> Open(std::string_view bytes, std::string_view& in) {
  if (bytes.size() < 1 + kSumBytes) return Broken(bytes, "too short");
  in = bytes.substr(0, bytes.size() - kSumBytes);
  std::uint32_t sum = 0;
  std::memcpy(&sum, bytes.data() + in.size(), kSumBytes);
  if (sum != SumOf(in)) return Broken(bytes, "its checksum is wrong");
  if (in.front() != kFormat) return Broken(bytes, "format " + std::to_string(in.front()));
  in.remove_prefix(1);
  std::uint64_t count = 0;
  if (!TakeVarint(in, count) || count == 0 || count > kChunkPoints) {
    return Broken(bytes, "its count is not 1 to " + std::to_string(kChunkPoints));
  }
  return count;
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
  std::string_view in;
  MUSTER_ASSIGN_OR_RETURN(const std::size_t count, Open(bytes, in));
  Numbers ts, steps, attempts;
  Words values{};
  if (!TakeColumn(in, {ts.data(), count}) || !TakeColumn(in, {steps.data(), count}) ||
      !TakeColumn(in, {attempts.data(), count}) || !TakeValues(in, {values.data(), count}) ||
      !in.empty()) {
    return Broken(bytes, kNoFit);
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

Status DecodeRows(std::string_view bytes, std::span<const std::size_t> rows,
                  std::vector<Point>& points) {
  std::string_view in;
  MUSTER_ASSIGN_OR_RETURN(const std::size_t count, Open(bytes, in));
  if (!rows.empty() && rows.back() >= count) return Broken(bytes, "it has no such row");
  const std::size_t wanted = rows.size();
  Numbers ts, steps, attempts;
  Words values;
  std::fill_n(values.begin(), wanted, 0);
  if (!TakeColumnRows(in, count, rows, ts) || !TakeColumnRows(in, count, rows, steps) ||
      !TakeColumnRows(in, count, rows, attempts) || !TakeValueRows(in, count, rows, values) ||
      !in.empty()) {
    return Broken(bytes, kNoFit);
  }
  for (std::size_t i = 0; i < wanted; ++i) {
    points.push_back({ts[i], steps[i], std::bit_cast<double>(values[i]), attempts[i]});
  }
  return Ok();
}

}  // namespace muster::tracker

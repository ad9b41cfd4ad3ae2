#include "tracker/series/chart_bytes.h"

#include <bit>

namespace muster::tracker {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kColumnBytes = 7 * 8 + 3 * 4;

template <typename T>
void Append(std::string& out, T number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

template <typename T>
void AppendArray(std::string& out, const std::vector<Bucket>& columns, T Bucket::* member) {
  for (const Bucket& column : columns) Append(out, column.*member);
}

void AppendCurve(std::string& out, const std::vector<Bucket>& columns) {
  Append(out, static_cast<std::uint32_t>(columns.size()));
  Append(out, std::uint32_t{0});
  for (const auto member :
       {&Bucket::first_step, &Bucket::last_step, &Bucket::first_ts, &Bucket::last_ts}) {
    AppendArray(out, columns, member);
  }
  for (const auto member : {&Bucket::min, &Bucket::max, &Bucket::last}) {
    AppendArray(out, columns, member);
  }
  for (const auto member : {&Bucket::points, &Bucket::nans, &Bucket::infinities}) {
    AppendArray(out, columns, member);
  }
  if (columns.size() % 2 == 1) Append(out, std::uint32_t{0});
}

}  // namespace

std::string EncodeCurves(std::span<const std::vector<Bucket>> curves) {
  std::size_t columns = 0;
  for (const auto& curve : curves) columns += curve.size();
  std::string out = "MCH1";
  out.reserve(8 + 16 * curves.size() + kColumnBytes * columns);
  Append(out, static_cast<std::uint32_t>(curves.size()));
  for (const auto& curve : curves) AppendCurve(out, curve);
  return out;
}

}  // namespace muster::tracker

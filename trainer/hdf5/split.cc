#include "trainer/hdf5/split.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "trainer/hdf5/dataset_file.h"
#include "trainer/row_order.h"

namespace muster::trainer::hdf5 {
namespace {

namespace fs = std::filesystem;

/// For each split its rows, ascending. Rows are lined up by label, shuffled within it, and dealt out one by
/// one to the split that is furthest behind, which spreads every label in proportion.
std::vector<std::vector<std::uint64_t>> Deal(const OutputOptions& options, std::uint64_t rows,
                                             std::span<const std::int64_t> labels) {
  const Epoch order{.seed = options.seed, .number = 0, .rows = rows};
  std::vector<std::uint64_t> line(rows);
  for (std::uint64_t place = 0; place < rows; ++place) line[place] = RowAt(order, place);
  if (!labels.empty()) {
    std::ranges::stable_sort(line, {}, [&](std::uint64_t row) { return labels[row]; });
  }
  std::vector<std::vector<std::uint64_t>> dealt(options.splits.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    std::size_t furthest = 0;
    double deficit = -1e300;
    for (std::size_t s = 0; s < dealt.size(); ++s) {
      const double behind = options.splits[s].fraction * static_cast<double>(i + 1) -
                            static_cast<double>(dealt[s].size());
      if (behind > deficit) {
        deficit = behind;
        furthest = s;
      }
    }
    dealt[furthest].push_back(line[i]);
  }
  for (auto& part : dealt) std::ranges::sort(part);
  return dealt;
}

struct PlannedFile {
  ConvertedFile file;
  std::span<const std::uint64_t> rows;
};

std::string ShardSuffix(int shard, int shards) {
  if (shards == 1) return "";
  std::string number = std::to_string(shard);
  // Names in order are shards in order.
  number.insert(0, std::to_string(shards - 1).size() - number.size(), '0');
  return "-" + number + "-of-" + std::to_string(shards);
}

/// <base>-<digits>-of-<digits>.h5
bool IsShardOf(const std::string& name, const std::string& base) {
  if (!name.starts_with(base + "-") || !name.ends_with(".h5")) return false;
  const std::string middle = name.substr(base.size() + 1, name.size() - base.size() - 4);
  const std::size_t of = middle.find("-of-");
  const auto digits = [](const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  };
  return of != std::string::npos && digits(middle.substr(0, of)) && digits(middle.substr(of + 4));
}

Status RefuseEarlierShards(const fs::path& base, const std::vector<PlannedFile>& plan) {
  const fs::path folder = base.has_parent_path() ? base.parent_path() : fs::path(".");
  std::error_code ended;
  std::string earlier;  // the first of them by name
  for (const auto& entry : fs::directory_iterator(folder, ended)) {
    const std::string name = entry.path().filename().string();
    if (IsShardOf(name, base.filename().string()) && (earlier.empty() || name < earlier) &&
        std::ranges::none_of(plan, [&](const PlannedFile& planned) {
          return planned.file.path.filename() == name;
        })) {
      earlier = name;
    }
  }
  if (earlier.empty()) return Ok();
  return Invalid((folder / earlier).string() +
                 " is a shard of an earlier conversion; remove it first, or a pattern would read "
                 "both");
}

Result<std::vector<PlannedFile>> Plan(const std::vector<std::vector<std::uint64_t>>& dealt,
                                      const OutputOptions& options, std::uint64_t rows,
                                      const fs::path& stem) {
  const auto shards = static_cast<std::uint64_t>(options.shards);
  std::vector<PlannedFile> plan;
  for (std::size_t s = 0; s < dealt.size(); ++s) {
    const std::string& role = options.splits[s].role;
    if (dealt[s].size() < shards) {
      return Invalid("split '" + role + "' gets " +
                     (dealt[s].empty() ? "none" : std::to_string(dealt[s].size())) + " of the " +
                     std::to_string(rows) + " rows" +
                     (shards > 1 ? "; " + std::to_string(shards) + " shards want one each" : ""));
    }
    const std::string base = stem.string() + (role.empty() ? "" : "-" + role);
    for (std::uint64_t k = 0; k < shards; ++k) {
      const std::uint64_t begin = dealt[s].size() * k / shards;
      const std::uint64_t end = dealt[s].size() * (k + 1) / shards;
      plan.push_back(
          {{role, base + ShardSuffix(static_cast<int>(k), options.shards) + ".h5", end - begin},
           std::span(dealt[s]).subspan(begin, end - begin)});
    }
    MUSTER_RETURN_IF_ERROR(RefuseEarlierShards(base, plan));
  }
  return plan;
}

}  // namespace

Status CheckOutput(const OutputOptions& options) {
  double sum = 0;
  for (const Split& split : options.splits) {
    if (!(split.fraction > 0 && split.fraction <= 1)) {
      return Invalid("split '" + split.role + "': wanted a fraction above 0 and up to 1, got " +
                     std::to_string(split.fraction));
    }
    if (std::ranges::count(options.splits, split.role, &Split::role) > 1) {
      return Invalid("split '" + split.role + "' is there twice");
    }
    if (split.role.find('/') != std::string::npos) {
      return Invalid("split '" + split.role + "': a name has no '/' in it");
    }
    sum += split.fraction;
  }
  if (std::abs(sum - 1) > 1e-6) {
    return Invalid("the fractions of the splits add up to " + std::to_string(sum) + "; wanted 1");
  }
  constexpr int kShardsMax = 10000;
  if (options.shards < 1 || options.shards > kShardsMax) {
    return Invalid(std::to_string(options.shards) + " shards; wanted 1 to 10000");
  }
  if (options.gzip < 0 || options.gzip > 9) {
    return Invalid("gzip level " + std::to_string(options.gzip) + "; wanted 1 to 9, or 0 for none");
  }
  if (options.chunk_rows < 0) {
    return Invalid("chunks of " + std::to_string(options.chunk_rows) +
                   " rows; wanted at least 1, or 0 for none");
  }
  return Ok();
}

Result<std::vector<std::int64_t>> ReadLabels(const RowSource& rows, const std::string& name) {
  std::vector<std::int64_t> labels;
  const auto index = FindField(rows, name);
  if (!index.ok()) return labels;
  const Field& field = rows.fields()[*index];
  const bool whole = field.type != ElementType::kF32 && field.type != ElementType::kF64;
  if (!field.row_shape.empty() || !whole) return labels;
  std::vector<std::uint64_t> all(rows.rows());
  std::iota(all.begin(), all.end(), 0);
  const std::size_t width = field.row_bytes();
  std::vector<std::byte> bytes(all.size() * width);
  MUSTER_RETURN_IF_ERROR(rows.Read(*index, all, bytes.data()));
  labels.resize(all.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    std::int32_t narrow = 0;
    if (field.type == ElementType::kI64) {
      std::memcpy(&labels[i], bytes.data() + i * width, width);
    } else {
      std::memcpy(&narrow, bytes.data() + i * width, width);  // u8 and i32, little-endian
      labels[i] = narrow;
    }
  }
  return labels;
}

Result<std::vector<ConvertedFile>> WriteSplits(const RowSource& rows,
                                               std::span<const std::int64_t> labels,
                                               const OutputOptions& options, const fs::path& stem) {
  const auto dealt = Deal(options, rows.rows(), labels);
  MUSTER_ASSIGN_OR_RETURN(const auto plan, Plan(dealt, options, rows.rows(), stem));
  std::error_code error;
  if (stem.has_parent_path()) fs::create_directories(stem.parent_path(), error);
  if (error) return IoError("making folder " + stem.parent_path().string(), error.value());
  WriteOptions layout{.chunk_rows = options.chunk_rows,
                      .deflate = options.gzip,
                      .shuffle = options.gzip > 0,
                      .checksum = options.gzip > 0};
  if (options.gzip > 0 && layout.chunk_rows == 0) layout.chunk_rows = kChunkOf64KiB;
  std::vector<ConvertedFile> files;
  for (const PlannedFile& planned : plan) {
    MUSTER_RETURN_IF_ERROR(WriteRows(planned.file.path, rows, planned.rows, layout));
    files.push_back(planned.file);
  }
  return files;
}

}  // namespace muster::trainer::hdf5

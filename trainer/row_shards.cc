#include "trainer/row_shards.h"

#include <algorithm>

namespace muster::trainer {
namespace {

struct Shard {
  std::unique_ptr<RowSource> source;
  std::uint64_t begin = 0;          ///< its first row among all
  std::vector<std::size_t> fields;  ///< where the columns of the first shard are in it
};

class ShardedRows final : public RowSource {
 public:
  explicit ShardedRows(std::vector<Shard> shards)
      : shards_(std::move(shards)),
        rows_(shards_.back().begin + shards_.back().source->rows()),
        name_(shards_.front().source->name() + " and " + std::to_string(shards_.size() - 1) +
              " more") {}

  [[nodiscard]] std::uint64_t rows() const override { return rows_; }
  [[nodiscard]] const std::vector<Field>& fields() const override {
    return shards_.front().source->fields();
  }
  [[nodiscard]] std::string name() const override { return name_; }

  Status Read(std::size_t field, std::span<const std::uint64_t> rows,
              std::byte* out) const override {
    const std::size_t width = fields()[field].row_bytes();
    std::vector<std::uint64_t> local;
    for (std::size_t i = 0; i < rows.size();) {
      if (rows[i] >= rows_) {
        return Invalid(name_ + ": row " + std::to_string(rows[i]) + " of " + std::to_string(rows_));
      }
      // The rows that follow in the same shard are one call.
      const Shard& shard =
          *std::prev(std::ranges::upper_bound(shards_, rows[i], {}, &Shard::begin));
      const std::uint64_t end = shard.begin + shard.source->rows();
      local.clear();
      for (std::size_t j = i; j < rows.size() && rows[j] >= shard.begin && rows[j] < end; ++j) {
        local.push_back(rows[j] - shard.begin);
      }
      MUSTER_RETURN_IF_ERROR(shard.source->Read(shard.fields[field], local, out + i * width));
      i += local.size();
    }
    return Ok();
  }

 private:
  std::vector<Shard> shards_;
  std::uint64_t rows_;
  std::string name_;
};

std::string Named(const RowSource& source, const Field& field) {
  return source.name() + ": dataset '" + field.name + "' is " + field.Text();
}

/// Where each column of `first` is in `shard`.
Result<std::vector<std::size_t>> MatchFields(const RowSource& first, const RowSource& shard) {
  std::vector<std::size_t> places;
  for (const Field& wanted : first.fields()) {
    const auto place = FindField(shard, wanted.name);
    if (!place.ok()) {
      return Invalid(place.error().message + "; " + first.name() + " has " + wanted.Text());
    }
    const Field& seen = shard.fields()[*place];
    if (seen.type != wanted.type || seen.row_shape != wanted.row_shape) {
      return Invalid(Named(shard, seen) + "; wanted " + wanted.Text() + " as in " + first.name());
    }
    places.push_back(*place);
  }
  for (const Field& field : shard.fields()) {
    if (std::ranges::find(first.fields(), field.name, &Field::name) == first.fields().end()) {
      return Invalid(Named(shard, field) + "; " + first.name() + " has no such dataset");
    }
  }
  return places;
}

}  // namespace

Result<std::unique_ptr<RowSource>> JoinShards(std::vector<std::unique_ptr<RowSource>> sources) {
  if (sources.empty()) return Invalid("a dataset of no files");
  std::vector<Shard> shards;
  std::uint64_t rows = 0;
  for (auto& source : sources) {
    if (source->rows() == 0) return Invalid(source->name() + " has no rows");
    const RowSource& first = shards.empty() ? *source : *shards.front().source;
    MUSTER_ASSIGN_OR_RETURN(auto fields, MatchFields(first, *source));
    const std::uint64_t begin = rows;
    rows += source->rows();
    shards.push_back({std::move(source), begin, std::move(fields)});
  }
  if (shards.size() == 1) return std::move(shards.front().source);
  return std::unique_ptr<RowSource>(std::make_unique<ShardedRows>(std::move(shards)));
}

}  // namespace muster::trainer

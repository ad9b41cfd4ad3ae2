#include <algorithm>
#include <numeric>

#include "registry/batch/number.h"
#include "registry/tensor_values.h"
#include "runtime/cli/row_file.h"
#include "runtime/modules/hdf5.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using registry::RowBatch;
using registry::Tensor;
using registry::TensorSpec;

registry::ElementType RegistryType(trainer::ElementType type) {
  switch (type) {
    case trainer::ElementType::kU8:
      return registry::ElementType::kU8;
    case trainer::ElementType::kI32:
      return registry::ElementType::kI32;
    case trainer::ElementType::kI64:
      return registry::ElementType::kI64;
    case trainer::ElementType::kF32:
      return registry::ElementType::kF32;
    case trainer::ElementType::kF64:
      return registry::ElementType::kF64;
  }
  return registry::ElementType::kF64;
}

class Hdf5File final : public RowFile {
 public:
  static Result<std::unique_ptr<RowFile>> Open(const Context& context, const fs::path& file,
                                               const std::vector<TensorSpec>& specs,
                                               const registry::TableOptions& options) {
    MUSTER_ASSIGN_OR_RETURN(auto rows,
                            modules::OpenDatasetFile(context.program.parent_path(), file.string()));
    std::unique_ptr<Hdf5File> result(new Hdf5File(std::move(rows), specs));
    const auto labels = trainer::FindField(*result->rows_, options.labels);
    if (labels.ok()) result->labels_ = *labels;
    MUSTER_RETURN_IF_ERROR(result->FindInputs(options));
    for (const std::string& name : options.keep) {
      MUSTER_ASSIGN_OR_RETURN(const std::size_t field, trainer::FindField(*result->rows_, name));
      if (result->rows_->fields()[field].row_elements() != 1) {
        return Invalid(file.string() + ": '" + name +
                       "' has more than one number a row; it cannot be kept");
      }
      result->keep_.push_back(field);
    }
    return std::unique_ptr<RowFile>(std::move(result));
  }

  Status GoTo(const RowPosition& position) override {
    next_ = position.row;
    return Ok();
  }

  Result<std::optional<RawBatch>> Next(std::size_t rows) override {
    const std::uint64_t begin = next_;
    next_ = std::min<std::uint64_t>(begin + rows, rows_->rows());
    if (next_ == begin) return std::optional<RawBatch>();
    return std::optional(
        RawBatch{{.row = next_}, [this, begin, end = next_] { return Decode(begin, end); }});
  }

  [[nodiscard]] bool labels() const override { return labels_.has_value(); }
  [[nodiscard]] double Share(const RowPosition& position) const override {
    return static_cast<double>(position.row) / static_cast<double>(rows_->rows());
  }

 private:
  Hdf5File(std::unique_ptr<trainer::RowSource> rows, const std::vector<TensorSpec>& specs)
      : rows_(std::move(rows)), specs_(specs) {}

  /// Fields by the inputs' names; the only input may be the field that --inputs names, "images" without it, or
  /// the only one there is.
  Status FindInputs(const registry::TableOptions& options) {
    if (options.inputs.size() > 1 || (options.inputs.size() == 1 && specs_.size() != 1)) {
      return Invalid("of HDF5, --inputs names one dataset for the model's only input; it has " +
                     registry::NamesText(specs_));
    }
    for (const TensorSpec& spec : specs_) {
      const std::string& name = options.inputs.empty() ? spec.name : options.inputs[0];
      auto found = trainer::FindField(*rows_, name);
      if (!found.ok() && specs_.size() == 1 && options.inputs.empty()) {
        found = trainer::FindField(*rows_, "images");
        const std::size_t others = rows_->fields().size() - (labels_ ? 1 : 0);
        if (!found.ok() && others == 1) found = labels_ == std::size_t{0} ? 1 : 0;
      }
      if (!found.ok()) return found.error().With("input '" + spec.name + "'");
      inputs_.push_back(*found);
    }
    return Ok();
  }

  [[nodiscard]] Result<Tensor> Read(std::size_t field, std::uint64_t begin,
                                    std::uint64_t end) const {
    const trainer::Field& info = rows_->fields()[field];
    std::vector<std::uint64_t> numbers(end - begin);
    std::iota(numbers.begin(), numbers.end(), begin);
    Tensor tensor{info.name, RegistryType(info.type), info.row_shape, {}};
    tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(numbers.size()));
    tensor.bytes.resize(info.row_bytes() * numbers.size());
    MUSTER_RETURN_IF_ERROR(rows_->Read(field, numbers, tensor.bytes.data()));
    return tensor;
  }

  [[nodiscard]] Result<RowBatch> Decode(std::uint64_t begin, std::uint64_t end) const {
    RowBatch batch;
    batch.numbers.resize(end - begin);
    std::iota(batch.numbers.begin(), batch.numbers.end(), begin);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      MUSTER_ASSIGN_OR_RETURN(Tensor raw, Read(inputs_[i], begin, end));
      auto converted = registry::ConvertTensor(std::move(raw), specs_[i].type);
      if (!converted.ok()) return converted.error().With(rows_->name());
      Tensor& input = batch.inputs.emplace_back(std::move(converted).value());
      input.name = specs_[i].name;
      input.shape = Reshaped(input.shape, specs_[i].shape);
    }
    if (labels_) {
      MUSTER_ASSIGN_OR_RETURN(Tensor raw, Read(*labels_, begin, end));
      for (const double label : registry::ValuesAs<double>(raw)) {
        batch.labels.push_back(static_cast<std::int64_t>(label));
      }
    }
    MUSTER_RETURN_IF_ERROR(Keep(begin, end, batch.keep));
    return batch;
  }

  Status Keep(std::uint64_t begin, std::uint64_t end, std::vector<std::string>& cells) const {
    std::vector<Tensor> kept;
    for (const std::size_t field : keep_) {
      MUSTER_ASSIGN_OR_RETURN(kept.emplace_back(), Read(field, begin, end));
    }
    for (std::uint64_t row = begin; row < end; ++row) {
      for (const Tensor& field : kept) {
        registry::AppendElement(cells.emplace_back(), field, row - begin, false);
      }
    }
    return Ok();
  }

  /// Rows of as many elements as the model wants take the shape that it wants.
  static std::vector<std::int64_t> Reshaped(const std::vector<std::int64_t>& shape,
                                            const std::vector<std::int64_t>& wanted) {
    if (wanted.empty() || registry::ShapeFits(shape, wanted)) return shape;
    const auto have = registry::ElementCount({shape.begin() + 1, shape.end()});
    const auto want = registry::ElementCount({wanted.begin() + 1, wanted.end()});
    if (!have.ok() || !want.ok() || *have != *want) return shape;
    std::vector<std::int64_t> reshaped = wanted;
    reshaped.front() = shape.front();
    return reshaped;
  }

  std::unique_ptr<trainer::RowSource> rows_;
  const std::vector<TensorSpec>& specs_;
  std::vector<std::size_t> inputs_, keep_;
  std::optional<std::size_t> labels_;
  std::uint64_t next_ = 0;
};

}  // namespace

Result<std::unique_ptr<RowFile>> OpenHdf5Rows(const Context& context, const fs::path& file,
                                              const std::vector<TensorSpec>& specs,
                                              const registry::TableOptions& options) {
  return Hdf5File::Open(context, file, specs, options);
}

}  // namespace muster::cli

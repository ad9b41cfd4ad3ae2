#include "trainer/torch/batch_loader.h"

#include <ATen/ops/empty.h>

#include "trainer/torch/columns.h"

namespace muster::trainer {
namespace {

at::ScalarType ScalarTypeOf(ElementType type) {
  switch (type) {
    case ElementType::kU8:
      return at::kByte;
    case ElementType::kI32:
      return at::kInt;
    case ElementType::kI64:
      return at::kLong;
    case ElementType::kF32:
      return at::kFloat;
    case ElementType::kF64:
      return at::kDouble;
  }
  return at::kFloat;
}

}  // namespace

Result<std::unique_ptr<BatchLoader>> BatchLoader::Start(const RowSource& source,
                                                        LoaderOptions options) {
  std::vector<std::size_t> fields;
  for (const std::string& column : options.columns) {
    MUSTER_ASSIGN_OR_RETURN(const std::size_t field, FindField(source, column));
    fields.push_back(field);
  }
  auto loader =
      std::unique_ptr<BatchLoader>(new BatchLoader(source, std::move(options), std::move(fields)));
  for (int i = 0; i < loader->options_.threads; ++i) {
    loader->threads_.emplace_back([raw = loader.get()] { raw->Work(); });
  }
  return loader;
}

BatchLoader::BatchLoader(const RowSource& source, LoaderOptions options,
                         std::vector<std::size_t> fields)
    : source_(source),
      options_(std::move(options)),
      fields_(std::move(fields)),
      batches_(BatchCount(options_.epoch, options_.batch_size)),
      next_to_read_(options_.first_batch),
      next_to_give_(options_.first_batch) {}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Result<std::optional<LoadedBatch>> BatchLoader::Next() {
  std::unique_lock lock(mutex_);
  if (next_to_give_ >= batches_) return std::optional<LoadedBatch>();
  changed_.wait(lock, [&] { return ready_.contains(next_to_give_); });
  Result<LoadedBatch> batch = std::move(ready_.extract(next_to_give_).mapped());
  ++next_to_give_;
  lock.unlock();
  changed_.notify_all();
  if (!batch.ok()) return batch.error();
  if (batch->arrive) batch->arrive();
  return std::optional<LoadedBatch>(std::move(batch).value());
}

void BatchLoader::Work() {
  for (;;) {
    std::uint64_t number = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        return ending_ || next_to_read_ >= batches_ ||
               next_to_read_ < next_to_give_ + options_.ahead;
      });
      if (ending_ || next_to_read_ >= batches_) return;
      number = next_to_read_++;
    }
    auto batch = Load(number);
    {
      const std::lock_guard lock(mutex_);
      ready_.emplace(number, std::move(batch));
    }
    changed_.notify_all();
  }
}

Result<LoadedBatch> BatchLoader::Load(std::uint64_t number) const {
  try {
    return LoadOrThrow(number);
  } catch (const c10::Error& error) {
    return Internal(error.what_without_backtrace());
  } catch (const std::exception& error) {  // std::bad_alloc above all
    return Internal("reading batch " + std::to_string(number) + " of " + source_.name() + ": " +
                    error.what());
  }
}

Result<LoadedBatch> BatchLoader::LoadOrThrow(std::uint64_t number) const {
  const auto rows = BatchRows(options_.epoch, options_.batch_size, number);
  const auto share = ShareOf(rows, options_.rank);
  const auto count = static_cast<std::int64_t>(share.size());
  std::vector<at::Tensor> tensors;
  for (const std::size_t index : fields_) {
    const Field& field = source_.fields()[index];
    std::vector<std::int64_t> shape{count};
    shape.insert(shape.end(), field.row_shape.begin(), field.row_shape.end());
    const at::ScalarType type = ScalarTypeOf(field.type);
    tensors.push_back(options_.accelerator == nullptr
                          ? at::empty(shape, type)
                          : options_.accelerator->HostBuffer(shape, type));
    MUSTER_RETURN_IF_ERROR(
        source_.Read(index, share, static_cast<std::byte*>(tensors.back().data_ptr())));
  }
  Upload upload{.tensors = std::move(tensors), .wait = nullptr};
  if (options_.accelerator != nullptr) {
    upload = options_.accelerator->Start(std::move(upload.tensors));
  }
  auto columns = std::make_shared<Batch::Columns>();
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    columns->tensors.emplace(source_.fields()[fields_[i]].name, std::move(upload.tensors[i]));
  }
  return LoadedBatch{.batch = Batch(std::move(columns), count),
                     .number = number,
                     .global_rows = static_cast<std::int64_t>(rows.size()),
                     .arrive = std::move(upload.wait)};
}

}  // namespace muster::trainer

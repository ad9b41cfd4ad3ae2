#include "trainer/torch/snapshot.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <set>

namespace muster::trainer {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kAlign = 64;  ///< of each tensor, for views of its type
constexpr std::int64_t kCopyGrain = std::int64_t{1} << 20;

std::size_t RoundUp(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::size_t BytesOf(const GatheredTensor& tensor) {
  return static_cast<std::size_t>(c10::multiply_integers(tensor.shape)) *
         c10::elementSize(tensor.type);
}

std::size_t RoomFor(const NamedTensors& tensors, const std::vector<GatheredTensor>& gathered) {
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += RoundUp(tensor.nbytes(), kAlign);
  for (const GatheredTensor& tensor : gathered) bytes += RoundUp(BytesOf(tensor), kAlign);
  return bytes;
}

bool OnDevice(const NamedTensors& tensors) {
  return std::ranges::any_of(tensors, [](const auto& named) { return !named.second.is_cpu(); });
}

/// In huge pages where the system has them: a 512th of the page faults.
at::Tensor MapMemory(std::size_t bytes) {
  const std::size_t size = RoundUp(bytes, kHugePage);
  const std::size_t mapped = size + kHugePage;
  void* const start =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) throw std::bad_alloc();
  auto* const aligned =
      reinterpret_cast<std::byte*>(RoundUp(reinterpret_cast<std::uintptr_t>(start), kHugePage));
  (void)::madvise(aligned, size, MADV_HUGEPAGE);
  return at::from_blob(
      aligned, {static_cast<std::int64_t>(size)},
      [start, mapped](void*) { ::munmap(start, mapped); }, at::kByte);
}

/// Writes nothing that is there: the memory may hold a snapshot.
void BackWithMemory(const at::Tensor& memory) {
  const std::size_t size = memory.nbytes();
  auto* const first = static_cast<volatile char*>(memory.data_ptr());
  if (::madvise(memory.data_ptr(), size, MADV_POPULATE_WRITE) == 0) return;
  for (std::size_t at = 0; at < size; at += 4096) first[at] = first[at];  // before Linux 5.14
}

struct HostCopy {
  std::byte* to;
  const std::byte* from;
  std::int64_t begin, end;  ///< of the bytes of all copies
};

/// Each thread takes one stretch of all bytes: long copies go past the cache, and large tensors are shared out.
void CopyAll(const std::vector<HostCopy>& copies) {
  if (copies.empty()) return;
  at::parallel_for(0, copies.back().end, kCopyGrain, [&](std::int64_t begin, std::int64_t end) {
    auto copy = std::ranges::upper_bound(copies, begin, {}, &HostCopy::end);
    for (; copy != copies.end() && copy->begin < end; ++copy) {
      const std::int64_t first = std::max(begin, copy->begin) - copy->begin;
      const std::int64_t last = std::min(end, copy->end) - copy->begin;
      std::memcpy(copy->to + first, copy->from + first, static_cast<std::size_t>(last - first));
    }
  });
}

}  // namespace

struct Snapshot::Events {
  std::vector<c10::Event> recorded;  ///< one a device, after its copies
};

Snapshot::Snapshot() : events_(std::make_unique<Events>()) {}
Snapshot::~Snapshot() = default;

void Snapshot::Grow(std::size_t bytes, bool pinned) {
  if (memory_.defined() && memory_.nbytes() >= bytes && pinned_ == pinned) return;
  views_.clear();
  memory_ = at::Tensor();  // before there is a second one
  memory_ = pinned ? at::empty({static_cast<std::int64_t>(RoundUp(bytes, kHugePage))},
                               at::TensorOptions(at::kByte).pinned_memory(true))
                   : MapMemory(std::max(bytes, kAlign));
  pinned_ = pinned;
}

void Snapshot::Reserve(const NamedTensors& tensors, const std::vector<GatheredTensor>& gathered) {
  Grow(RoomFor(tensors, gathered), OnDevice(tensors));
  if (!pinned_) BackWithMemory(memory_);  // pinned memory is there from its beginning
}

Status Snapshot::Take(const NamedTensors& tensors, const std::vector<GatheredTensor>& gathered) {
  views_.clear();
  Wait();  // for copies of the last one that still run
  Grow(RoomFor(tensors, gathered), OnDevice(tensors));
  std::vector<TensorView> views;
  std::vector<HostCopy> copies;
  std::set<c10::Device, bool (*)(const c10::Device&, const c10::Device&)> devices(
      [](const c10::Device& a, const c10::Device& b) { return a.str() < b.str(); });
  std::int64_t at = 0, copied = 0;
  // The next part of the memory, as a tensor.
  const auto place = [&](const std::string& name, at::ScalarType type,
                         at::IntArrayRef shape) -> Result<at::Tensor> {
    MUSTER_ASSIGN_OR_RETURN(std::string dtype, StoredType(name, type));
    const auto bytes = static_cast<std::int64_t>(
        static_cast<std::size_t>(c10::multiply_integers(shape)) * c10::elementSize(type));
    at::Tensor whole = memory_.narrow(0, at, bytes).view(type).view(shape);
    views.push_back(
        {name,
         std::move(dtype),
         shape.vec(),
         {static_cast<const std::byte*>(whole.data_ptr()), static_cast<std::size_t>(bytes)}});
    at += static_cast<std::int64_t>(RoundUp(static_cast<std::size_t>(bytes), kAlign));
    return whole;
  };
  for (const auto& [name, tensor] : tensors) {
    MUSTER_ASSIGN_OR_RETURN(const at::Tensor whole,
                            place(name, tensor.scalar_type(), tensor.sizes()));
    const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
    if (tensor.is_cpu() && tensor.is_contiguous() && bytes > 0) {
      copies.push_back({static_cast<std::byte*>(whole.data_ptr()),
                        static_cast<const std::byte*>(tensor.data_ptr()), copied, copied + bytes});
      copied += bytes;
    } else {
      whole.copy_(tensor.detach(), /*non_blocking=*/true);
      if (!tensor.is_cpu()) devices.insert(tensor.device());
    }
  }
  for (const GatheredTensor& tensor : gathered) {
    MUSTER_ASSIGN_OR_RETURN(const at::Tensor whole, place(tensor.name, tensor.type, tensor.shape));
    tensor.fill(whole);
  }
  CopyAll(copies);
  for (const c10::Device& device : devices) {
    const c10::impl::VirtualGuardImpl guard(device.type());
    events_->recorded.emplace_back(device.type());
    events_->recorded.back().record(guard.getStream(device));
  }
  views_ = std::move(views);
  return Ok();
}

void Snapshot::Wait() {
  for (const c10::Event& event : events_->recorded) event.synchronize();
  events_->recorded.clear();
}

}  // namespace muster::trainer

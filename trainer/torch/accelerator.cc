#include "trainer/torch/accelerator.h"

#include <ATen/ops/empty.h>

namespace muster::trainer {
namespace {

class Host final : public Accelerator {
 public:
  [[nodiscard]] at::Device device() const override { return at::kCPU; }
  [[nodiscard]] std::string name() const override { return "cpu"; }
  [[nodiscard]] std::string id() const override { return "cpu"; }  // nobody asks of the host
  void Synchronize() override {}
  [[nodiscard]] std::int64_t peak_bytes() const override { return 0; }
  [[nodiscard]] double peak_flops(Precision /*precision*/) const override { return 0; }
  [[nodiscard]] at::Tensor HostBuffer(at::IntArrayRef sizes, at::ScalarType type) const override {
    return at::empty(sizes, type);
  }
  [[nodiscard]] Upload Start(std::vector<at::Tensor> host) const override {
    return {.tensors = std::move(host), .wait = nullptr};
  }
  [[nodiscard]] std::unique_ptr<StepGraph> Capture(const std::function<void()>& /*step*/) override {
    return nullptr;
  }
};

}  // namespace

Accelerator& HostAccelerator() {
  static Host host;
  return host;
}

}  // namespace muster::trainer

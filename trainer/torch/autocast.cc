#include "trainer/torch/autocast.h"

#include <ATen/autocast_mode.h>

namespace muster::trainer {

Autocast::Autocast(c10::DeviceType device, Precision precision)
    : device_(device),
      on_(precision != Precision::kFp32 && !at::autocast::is_autocast_enabled(device)) {
  if (!on_) return;
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::set_autocast_dtype(device_,
                                   precision == Precision::kBf16 ? at::kBFloat16 : at::kHalf);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!on_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, false);
}

}  // namespace muster::trainer

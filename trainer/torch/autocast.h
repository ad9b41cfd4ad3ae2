#pragma once

#include <c10/core/DeviceType.h>

#include "trainer/precision.h"

namespace muster::trainer {

/// While it lives, operators of this thread that gain by it compute in the lower precision, on devices of that type;
/// with kFp32 it does nothing. Weights that were converted are kept until it ends: one guard spans one forward.
/// torch.autocast (https://docs.pytorch.org/docs/stable/amp.html).
class Autocast {
 public:
  Autocast(c10::DeviceType device, Precision precision);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool on_;
};

}  // namespace muster::trainer

#include "trainer/export/spatial.h"

namespace muster::exporting {

Ints Twice(const Ints& pads) {
  Ints both = pads;
  both.insert(both.end(), pads.begin(), pads.end());
  return both;
}

Ints Spatial(Call& call, const TensorType& type, std::size_t dims) {
  Ints sizes;
  for (std::size_t i = type.shape.size() - dims; i < type.shape.size(); ++i) {
    call.FailUnless(type.shape[i].fixed(), "a spatial size that depends on the batch");
    sizes.push_back(type.shape[i].offset);
  }
  return sizes;
}

std::string Batched::Open(const char* name, std::size_t dims) {
  type = call.Type(name);
  const std::string value = call.In(name);
  added = type.shape.size() == dims + 1;
  return added ? call.Unsqueeze(value, {0}) : value;
}

void Batched::Close(const std::string& value) const {
  call.Return(added ? call.Squeeze(value, {0}) : value);
}

}  // namespace muster::exporting

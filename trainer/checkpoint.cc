#include "trainer/checkpoint.h"

#include "runtime/wire/codec.h"

namespace muster::trainer {

BOOST_DESCRIBE_STRUCT(Progress, (),
                      (step, epoch, batch, seed, batch_size, train_rows, loss_sum, seconds, best,
                       metrics))

std::string EncodeProgress(const Progress& progress) { return wire::Encode(progress); }
Result<Progress> DecodeProgress(std::string_view json) { return wire::Decode<Progress>(json); }

}  // namespace muster::trainer

#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

namespace torch::nn {
class Module;
}

/// ONNX from any LibTorch module, in C++: the forward pass is traced (nothing has to be declared by
/// layers), each traced operator is translated, and the result passes `onnx::Check`.
///
/// How, in steps:
/// 1. A front end records the forward pass several times, with the examples in other sizes: batches
///    of 2, 3 and 5 rows, and up to their own size in the dimensions of `dynamic_axes`. C++ code sees
///    sizes as plain integers, so one run would freeze them.
/// 2. The recordings are walked in lockstep. An operator that differs in kind or inputs means that
///    control flow depends on a size: kUnsupported. An integer that differs must be a sum of products
///    of the symbols with whole coefficients (4*batch*length + 1; no symbol twice in a product), fixed
///    by all but one recording and checked by that one; it becomes arithmetic on the inputs' shapes in
///    the graph. A value that depends on an input and is handed to C++ (`item()`, a tensor in an
///    `if`) is refused too; data_ptr() is not noticed.
/// 3. What depends on no input is computed now, by LibTorch, and becomes an initializer. Parameters
///    and buffers keep their names (of those that step 5 changes, with "/folded").
/// 4. Operators with an effect on their input become functions; where another view of the changed
///    tensor is read later, that would be wrong, and is refused.
/// 5. The clean-up passes run (registry/onnx/passes): constants are folded, batch norms go into the weights before them,
///    identities and what no output needs are left out.
///
/// LibTorch's tracer holds per-thread state: one export at a time on one thread; several threads
/// may export different modules.

namespace muster::exporting {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

using Forward = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

/// What records the forward pass. Both lead to the same graph. The dispatcher's runs the model on
/// shapes alone, a tenth of the time and memory; TorchScript's, whose upstream is deprecated, takes
/// forward passes that make modules of their own, too. kEither: the first, and the other where that
/// refuses.
enum class FrontEnd { kEither, kTorchScript, kDispatcher };

struct ExportOptions {
  std::string model_name = "model";
  /// One a tensor; missing ones are "input", "input_1", ...; likewise "output".
  std::vector<std::string> input_names;
  std::vector<std::string> output_names;
  /// True: dimension 0 of every input is the batch, of any size from 1. False: it is as the
  /// examples have it.
  bool dynamic_batch = true;
  std::string batch_symbol = "batch";
  /// Further dimensions of any size: input name -> dimension -> symbol, as in torch.onnx.export. One
  /// symbol is one size. The examples' size is the largest that is tried, and at least 4.
  std::map<std::string, std::map<std::int64_t, std::string>> dynamic_axes;
  /// Symbol -> a number that divides its size always, so that quotients by it are whole: 4 for a
  /// sequence that is halved twice.
  std::map<std::string, std::int64_t> multiples;
  /// The operator set to write; 0: 17, or the least that the model's operators are in. One that cannot
  /// be had is kUnsupported.
  std::int64_t opset = 0;
  FrontEnd front_end = FrontEnd::kEither;
};

/// Exports `forward`, which reads the tensors of `state` (parameters and buffers, dotted names).
/// The examples are inputs of sensible values (token ids in range); with a dynamic batch all have
/// the same first dimension, at least 1. Runs without gradients. The caller has put modules in
/// evaluation mode. The model borrows the weights from the tensors of `state`, which stay alive with
/// it and may not change while it is used.
///
/// kUnsupported: an operator without translation ("aten::fft_rfft, in or after module 'conv2'"), a
/// case of steps 2 and 4 above. kInvalid: bad options or examples. kInternal: forward threw,
/// with LibTorch's words. Never throws.
Result<onnx::Model> ExportOnnx(const Forward& forward, const std::vector<NamedTensor>& state,
                               const std::vector<at::Tensor>& examples,
                               const ExportOptions& options = {});

/// The same for a module: takes its named parameters and buffers as state, puts it in evaluation
/// mode and restores the mode of each submodule afterwards. `forward` calls the module.
Result<onnx::Model> ExportModule(torch::nn::Module& module, const Forward& forward,
                                 const std::vector<at::Tensor>& examples,
                                 const ExportOptions& options = {});

/// The operators that have a translation, as "aten::relu", sorted.
std::vector<std::string> SupportedOperators();

}  // namespace muster::exporting

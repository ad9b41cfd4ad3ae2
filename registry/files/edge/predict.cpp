// Rows from standard input through a model: a line is one row, the numbers of all inputs one after another with commas
// or blanks between; a line of all outputs' numbers comes back.      usage: predict model.onnx < rows.txt
#include <openvino/c/openvino.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

void Check(ov_status_e status) {
  if (status != OK) std::cerr << "OpenVINO: " << ov_get_last_err_msg() << "\n", std::exit(1);
}
template <typename T, typename... In, typename... Args>
T Get(ov_status_e (*call)(In...), Args... args) {  // what a call puts into its last argument
  T out;
  return Check(call(args..., &out)), out;
}

int main(int argc, char** argv) {
  auto* core = Get<ov_core_t*>(ov_core_create);
  auto* model = Get<ov_model_t*>(ov_core_read_model, core, argc > 1 ? argv[1] : "model.onnx", nullptr);
  ov_compiled_model_t* compiled;
  // As the gates judged it: f32 where a CPU would take bf16, activations quantised only if the model allows it.
  Check(ov_core_compile_model(core, model, "CPU", 4, &compiled, "INFERENCE_PRECISION_HINT", "f32",
                              "DYNAMIC_QUANTIZATION_GROUP_SIZE", "@ACTIVATION_GROUP@"));
  auto* request = Get<ov_infer_request_t*>(ov_compiled_model_create_infer_request, compiled);
  std::vector<ov_tensor_t*> inputs(Get<size_t>(ov_model_inputs_size, model));
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto* port = Get<ov_output_const_port_t*>(ov_model_const_input_by_index, model, i);
    auto open = Get<ov_partial_shape_t>(ov_port_get_partial_shape, port);
    std::vector<int64_t> sizes;  // what the model leaves open, the rows say, is 1
    for (int64_t d = 0; d < open.rank.max; ++d) sizes.push_back(std::max<int64_t>(open.dims[d].min, 1));
    auto shape = Get<ov_shape_t>(ov_shape_create, open.rank.max, sizes.data());
    inputs[i] = Get<ov_tensor_t*>(ov_tensor_create, Get<ov_element_type_e>(ov_port_get_element_type, port), shape);
    Check(ov_infer_request_set_input_tensor_by_index(request, i, inputs[i]));
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::replace(line.begin(), line.end(), ',', ' ');
    std::istringstream numbers(line);
    for (auto* input : inputs) {
      auto type = Get<ov_element_type_e>(ov_tensor_get_element_type, input);
      void* data = Get<void*>(ov_tensor_data, input);
      if (type != F32 && type != I64) return std::cerr << "this example reads f32 and i64 inputs\n", 1;
      for (size_t i = 0; i < Get<size_t>(ov_tensor_get_size, input); ++i)
        type == I64 ? numbers >> static_cast<int64_t*>(data)[i] : numbers >> static_cast<float*>(data)[i];
    }
    if (!numbers) return std::cerr << "too few numbers, or no number, in: " << line << "\n", 1;
    Check(ov_infer_request_infer(request));
    for (size_t o = 0; o < Get<size_t>(ov_model_outputs_size, model); ++o) {
      auto* output = Get<ov_tensor_t*>(ov_infer_request_get_output_tensor_by_index, request, o);
      bool whole = Get<ov_element_type_e>(ov_tensor_get_element_type, output) == I64;
      void* data = Get<void*>(ov_tensor_data, output);
      for (size_t i = 0; i < Get<size_t>(ov_tensor_get_size, output); ++i)
        std::printf(o + i > 0 ? ",%.9g" : "%.9g",
                    whole ? double(static_cast<int64_t*>(data)[i]) : double(static_cast<float*>(data)[i]));
      ov_tensor_free(output);
    }
    std::puts(""), std::fflush(stdout);
  }
}

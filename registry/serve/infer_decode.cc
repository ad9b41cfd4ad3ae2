#include "registry/serve/infer_codec.h"

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parser.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "registry/serve/json_tensors.h"

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

const json::value* Member(const json::object& object, std::string_view key) {
  return object.if_contains(json::string_view(key.data(), key.size()));
}

Result<std::string_view> StringMember(const json::object& object, std::string_view key,
                                      std::string_view where) {
  const json::value* value = Member(object, key);
  if (value == nullptr || !value->is_string()) {
    return Invalid(std::string(where) + ": '" + std::string(key) + "' must be a string");
  }
  return View(value->get_string());
}

/// A parameter of `object`, when it has parameters and the one named.
const json::value* Parameter(const json::object& object, std::string_view key) {
  const json::value* parameters = Member(object, "parameters");
  if (parameters == nullptr || !parameters->is_object()) return nullptr;
  return Member(parameters->get_object(), key);
}

Result<bool> BoolParameter(const json::object& object, std::string_view key, bool fallback) {
  const json::value* value = Parameter(object, key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return Invalid("parameter '" + std::string(key) + "' must be a boolean");
  return value->get_bool();
}

Result<std::optional<std::chrono::microseconds>> TimeoutParameter(const json::object& object) {
  const json::value* value = Parameter(object, "timeout");
  if (value == nullptr) return std::optional<std::chrono::microseconds>();
  if (!value->is_int64() || value->get_int64() < 0) {
    return Invalid("parameter 'timeout' must be a number of microseconds, an integer from 0");
  }
  if (value->get_int64() == 0) return std::optional<std::chrono::microseconds>();
  return std::optional(std::chrono::microseconds(value->get_int64()));
}

Result<std::vector<std::int64_t>> ShapeMember(const json::object& input, std::string_view name) {
  const json::value* value = Member(input, "shape");
  const std::string wrong =
      "input '" + std::string(name) + "': 'shape' must be a list of integers from 0";
  if (value == nullptr || !value->is_array()) return Invalid(wrong);
  std::vector<std::int64_t> shape;
  for (const json::value& size : value->get_array()) {
    if (!size.is_int64() || size.get_int64() < 0) return Invalid(wrong);
    shape.push_back(size.get_int64());
  }
  return shape;
}

std::vector<std::byte> Bytes(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

/// The bytes after the JSON, handed out in order.
class Binary {
 public:
  explicit Binary(std::string_view bytes) : left_(bytes) {}

  Result<std::vector<std::byte>> Take(const json::value& size, std::string_view name) {
    if (!size.is_int64() || size.get_int64() < 0) {
      return Invalid("input '" + std::string(name) +
                     "': 'binary_data_size' must be an integer from 0");
    }
    const auto wanted = static_cast<std::uint64_t>(size.get_int64());
    if (wanted > left_.size()) {
      return Invalid("input '" + std::string(name) + "': binary_data_size is " +
                     std::to_string(wanted) + ", " + std::to_string(left_.size()) +
                     " bytes are left in the body");
    }
    auto bytes = Bytes(left_.substr(0, wanted));
    left_.remove_prefix(wanted);
    return bytes;
  }
  [[nodiscard]] std::size_t left() const { return left_.size(); }

 private:
  std::string_view left_;
};

Result<Tensor> DecodeInput(const json::value& value, Binary& binary) {
  if (!value.is_object()) return Invalid("'inputs' must be a list of objects");
  const json::object& input = value.get_object();
  MUSTER_ASSIGN_OR_RETURN(const std::string_view name, StringMember(input, "name", "an input"));
  const std::string where = "input '" + std::string(name) + "'";
  MUSTER_ASSIGN_OR_RETURN(const std::string_view datatype, StringMember(input, "datatype", where));
  Tensor tensor{.name = std::string(name)};
  auto type = ElementTypeFromName(datatype);
  if (!type.ok()) return type.error().With(where);
  tensor.type = *type;
  MUSTER_ASSIGN_OR_RETURN(tensor.shape, ShapeMember(input, name));
  const json::value* data = Member(input, "data");
  const json::value* binary_size = Parameter(input, "binary_data_size");
  if ((data == nullptr) == (binary_size == nullptr)) {
    return Invalid(where + ": wanted either 'data' or the parameter 'binary_data_size'");
  }
  if (binary_size != nullptr) {
    MUSTER_ASSIGN_OR_RETURN(tensor.bytes, binary.Take(*binary_size, name));
    return tensor;
  }
  if (!data->is_array()) return Invalid(where + ": 'data' must be a list");
  auto bytes = BytesFromJson(*data, tensor.type, NullIs::kRefused, nullptr);
  if (!bytes.ok()) return bytes.error().With(where);
  tensor.bytes = std::move(bytes).value();
  return tensor;
}

/// 0 without the parameter.
Result<std::int64_t> ClassesParameter(const json::object& output, std::string_view name) {
  const json::value* value = Parameter(output, "classification");
  if (value == nullptr) return std::int64_t{0};
  if (value->is_int64() && value->get_int64() > 0) return value->get_int64();
  return Invalid("output '" + std::string(name) +
                 "': 'classification' must be a number of classes, an integer above 0");
}

Status DecodeOutputs(const json::value& value, InferRequest& request) {
  if (!value.is_array()) return Invalid("'outputs' must be a list");
  for (const json::value& output : value.get_array()) {
    if (!output.is_object()) return Invalid("'outputs' must be a list of objects");
    MUSTER_ASSIGN_OR_RETURN(const std::string_view name,
                            StringMember(output.get_object(), "name", "an output"));
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t classes,
                            ClassesParameter(output.get_object(), name));
    MUSTER_ASSIGN_OR_RETURN(
        const bool wants_binary,
        BoolParameter(output.get_object(), "binary_data", request.binary_output));
    request.outputs.push_back({std::string(name), wants_binary, classes});
  }
  return Ok();
}

Result<InferRequest> DecodeParsed(const json::value& parsed, std::string_view after) {
  if (!parsed.is_object()) return Invalid("the request must be a JSON object");
  const json::object& object = parsed.get_object();
  InferRequest request;
  if (const json::value* id = Member(object, "id"); id != nullptr) {
    if (!id->is_string()) return Invalid("'id' must be a string");
    request.id = View(id->get_string());
  }
  const json::value* inputs = Member(object, "inputs");
  if (inputs == nullptr || !inputs->is_array())
    return Invalid("'inputs' must be a list of tensors");
  Binary binary(after);
  request.inputs.reserve(inputs->get_array().size());
  for (const json::value& input : inputs->get_array()) {
    MUSTER_ASSIGN_OR_RETURN(request.inputs.emplace_back(), DecodeInput(input, binary));
  }
  if (binary.left() > 0) {
    return Invalid(std::to_string(binary.left()) + " bytes follow the last tensor of the body");
  }
  MUSTER_ASSIGN_OR_RETURN(request.binary_output,
                          BoolParameter(object, "binary_data_output", false));
  MUSTER_ASSIGN_OR_RETURN(request.timeout, TimeoutParameter(object));
  if (const json::value* outputs = Member(object, "outputs"); outputs != nullptr) {
    MUSTER_RETURN_IF_ERROR(DecodeOutputs(*outputs, request));
  }
  return request;
}

/// The whole body is the one row of the model's one input.
Result<InferRequest> DecodeRaw(std::string_view body, const std::vector<TensorSpec>& specs) {
  if (specs.size() != 1) {
    return Invalid("a raw body needs a model with one input, this one has " +
                   std::to_string(specs.size()));
  }
  Tensor tensor{specs[0].name, specs[0].type, specs[0].shape, Bytes(body)};
  if (!tensor.shape.empty() && tensor.shape[0] < 0) tensor.shape[0] = 1;
  for (const std::int64_t size : tensor.shape) {
    if (size < 0) {
      return Invalid("a raw body cannot tell the shape of input '" + tensor.name + "' " +
                     ShapeText(specs[0].shape));
    }
  }
  InferRequest request;
  request.inputs.push_back(std::move(tensor));
  request.binary_output = true;
  return request;
}

Result<std::optional<std::size_t>> JsonLength(std::string_view text, std::size_t body_size) {
  if (text.empty()) return std::optional<std::size_t>();
  std::size_t length = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (failed != std::errc() || end != text.data() + text.size() || length > body_size) {
    return Invalid(std::string(kJsonLengthHeader) + " is \"" + std::string(text.substr(0, 40)) +
                   "\", the body has " + std::to_string(body_size) + " bytes");
  }
  return std::optional(length);
}

}  // namespace

Result<InferRequest> DecodeInfer(std::string_view body, std::string_view json_length,
                                 const std::vector<TensorSpec>& specs) {
  MUSTER_ASSIGN_OR_RETURN(const auto length, JsonLength(json_length, body.size()));
  if (length && *length == 0) return DecodeRaw(body, specs);
  const std::string_view text = body.substr(0, length.value_or(body.size()));
  // The request of one image is parsed without touching the heap.
  std::array<unsigned char, 16 << 10> arena;
  std::array<unsigned char, 4 << 10> scratch;
  json::monotonic_resource memory(arena.data(), arena.size());
  json::parser parser(json::storage_ptr(), {}, scratch.data(), scratch.size());
  parser.reset(&memory);
  boost::system::error_code failed;
  const std::size_t parsed = parser.write(text.data(), text.size(), failed);
  if (failed) {
    return Invalid("the request is not JSON: " + failed.message() + " at byte " +
                   std::to_string(parsed));
  }
  return DecodeParsed(parser.release(), body.substr(text.size()));
}

}  // namespace muster::registry::serve

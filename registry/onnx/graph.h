#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "registry/onnx/tensor_bytes.h"

/// An ONNX model as plain values: what the exporter builds, `writer.h` turns into bytes, `reader.h`
/// gets back from bytes and `checker.h` judges. No protobuf, no tensor library.
///
/// The names follow onnx.proto of ONNX 1.12 (IR 8, operator set 17), which is what muster writes:
/// every engine of the last years reads it, Debian's libonnx included. Values own what they hold;
/// threads may share a const Model.

namespace muster::onnx {

inline constexpr std::int64_t kIrVersion = 8;
inline constexpr std::int64_t kOpset = 17;

/// TensorProto.DataType, with its numbers.
enum class DataType : std::int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
};

/// "float", "int64", ...: as ONNX prints types; "undefined" for anything else.
std::string_view DataTypeName(DataType type);
/// Bytes of one element; 0 for strings and undefined.
std::size_t DataTypeSize(DataType type);

/// One dimension: a number, a symbol ("batch"), or neither (`size` -1, `symbol` empty: unknown).
struct Dim {
  std::int64_t size = -1;  ///< >= 0, or -1: not a constant
  std::string symbol;      ///< empty when `size` is set

  static Dim Of(std::int64_t size) { return {size, {}}; }
  static Dim Of(std::string symbol) { return {-1, std::move(symbol)}; }
  friend bool operator==(const Dim&, const Dim&) = default;
};

/// A named, typed value: a graph's input or output, or what is known of a value between.
struct ValueInfo {
  std::string name;
  DataType type = DataType::kUndefined;
  bool has_shape = true;  ///< false: the rank is unknown and `shape` is empty
  std::vector<Dim> shape;
  friend bool operator==(const ValueInfo&, const ValueInfo&) = default;
};

/// A constant. `bytes` are row-major and little-endian (bool: one byte an element); its size is the
/// product of `dims` times DataTypeSize. Strings are not carried.
struct Tensor {
  std::string name;
  DataType type = DataType::kUndefined;
  std::vector<std::int64_t> dims;
  TensorBytes bytes;

  /// The product of `dims`, 1 without dims; -1 when a dim is negative or it exceeds 64 bits.
  [[nodiscard]] std::int64_t elements() const;
  friend bool operator==(const Tensor&, const Tensor&) = default;
};

/// An attribute; which alternative is held decides the attribute's type on the wire (INT, FLOAT,
/// STRING, TENSOR, INTS, FLOATS, STRINGS). Subgraphs are not carried.
using AttributeValue =
    std::variant<std::int64_t, float, std::string, Tensor, std::vector<std::int64_t>,
                 std::vector<float>, std::vector<std::string>>;

struct Attribute {
  std::string name;
  AttributeValue value;
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

struct Node {
  std::string name;                 ///< unique in a graph where not empty
  std::string op_type;              ///< "Conv"
  std::string domain;               ///< empty: ONNX's own
  std::vector<std::string> inputs;  ///< "" leaves an optional input out
  std::vector<std::string> outputs;
  std::vector<Attribute> attributes;
  friend bool operator==(const Node&, const Node&) = default;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;  ///< in an order in which each value is made before it is used
  std::vector<Tensor> initializers;
  std::vector<ValueInfo> inputs;  ///< without the initializers
  std::vector<ValueInfo> outputs;
  std::vector<ValueInfo> value_info;
  friend bool operator==(const Graph&, const Graph&) = default;
};

struct Model {
  std::int64_t ir_version = kIrVersion;
  std::map<std::string, std::int64_t> opsets = {{"", kOpset}};  ///< domain -> version
  std::string producer_name;
  std::string producer_version;
  std::string doc;
  std::map<std::string, std::string> metadata;
  Graph graph;
  friend bool operator==(const Model&, const Model&) = default;
};

/// A page for people: inputs, outputs, parameters, operators by count, then one line a node.
std::string Describe(const Model& model);

/// "float[batch, 1, 8, 8]"; "?" stands for an unknown dimension, "float[...]" for an unknown rank.
std::string TypeText(const ValueInfo& value);

}  // namespace muster::onnx

#include "registry/onnx/reader.h"

#include <charconv>
#include <map>

#include "registry/onnx/fields.h"
#include "registry/onnx/wire.h"

namespace muster::onnx {
namespace {

/// Calls `visit(field)` for each field of a message, until one fails.
template <typename Visit>
Status EachField(std::string_view bytes, Visit&& visit) {
  WireReader reader(bytes);
  while (!reader.done()) {
    MUSTER_ASSIGN_OR_RETURN(const WireField field, reader.Next());
    MUSTER_RETURN_IF_ERROR(visit(field));
  }
  return Ok();
}

Status Expect(const WireField& field, WireKind kind, std::string_view what) {
  if (field.kind == kind) return Ok();
  return Corrupt(std::string(what) + " has wire kind " +
                 std::to_string(static_cast<int>(field.kind)) + ", wanted " +
                 std::to_string(static_cast<int>(kind)));
}

Status ReadText(const WireField& field, std::string_view what, std::string& out) {
  MUSTER_RETURN_IF_ERROR(Expect(field, WireKind::kBytes, what));
  out = field.bytes;
  return Ok();
}

Status ReadInt(const WireField& field, std::string_view what, std::int64_t& out) {
  MUSTER_RETURN_IF_ERROR(Expect(field, WireKind::kVarint, what));
  out = field.Int();
  return Ok();
}

Status ReadType(const WireField& field, std::string_view what, DataType& out) {
  std::int64_t number = 0;
  MUSTER_RETURN_IF_ERROR(ReadInt(field, what, number));
  if (number < 0 || number > static_cast<std::int64_t>(DataType::kBfloat16)) {
    return Unsupported(std::string(what) + " is " + std::to_string(number) +
                       "; muster knows the types of ONNX 1.12, 0 to 16");
  }
  out = static_cast<DataType>(number);
  return Ok();
}

/// A StringStringEntryProto.
Status ReadEntry(const WireField& message, std::string& key, std::string& value) {
  return EachField(message.bytes, [&](const WireField& field) {
    if (field.field == fields::kEntryKey) return ReadText(field, "key", key);
    if (field.field == fields::kEntryValue) return ReadText(field, "value", value);
    return Ok();
  });
}

/// Keeps `values`, numbers from a typed field, as little-endian bytes of `type`'s width.
void AppendNarrowed(const std::vector<std::int64_t>& values, DataType type, std::string& out) {
  const std::size_t width = DataTypeSize(type);
  out.reserve(out.size() + values.size() * width);
  for (const std::int64_t value : values) {
    for (std::size_t i = 0; i < width; ++i) {
      out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
  }
}

/// The files beside the model's, each opened once.
class WeightFiles {
 public:
  explicit WeightFiles(const OpenWeights& open) : open_(open) {}

  Result<TensorBytes> Part(const std::map<std::string, std::string>& place, std::size_t wanted) {
    const auto text = [&](const char* key) {
      const auto found = place.find(key);
      return found == place.end() ? std::string() : found->second;
    };
    const std::string name = text("location");
    if (!open_) return Unsupported("its data lies in another file, '" + name + "'");
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
      return Corrupt("its data lies in '" + name + "'; wanted the name of a file beside the model");
    }
    std::size_t offset = 0;
    std::size_t length = wanted;
    MUSTER_RETURN_IF_ERROR(ReadSize(text("offset"), "offset", offset));
    MUSTER_RETURN_IF_ERROR(ReadSize(text("length"), "length", length));
    auto file = files_.find(name);
    if (file == files_.end()) {
      MUSTER_ASSIGN_OR_RETURN(TensorBytes bytes, open_(name));
      file = files_.emplace(name, std::move(bytes)).first;
    }
    const std::size_t size = file->second.size();
    if (offset > size || length > size - offset || length != wanted) {
      return Corrupt("its data is " + std::to_string(length) + " bytes at " +
                     std::to_string(offset) + " of '" + name + "'; its shape wants " +
                     std::to_string(wanted) + ", the file has " + std::to_string(size));
    }
    return file->second.Slice(offset, length);
  }

 private:
  static Status ReadSize(const std::string& text, const char* key, std::size_t& out) {
    if (text.empty()) return Ok();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error == std::errc() && end == text.data() + text.size()) return Ok();
    return Corrupt(std::string(key) + " of its data is '" + text + "', wanted a number");
  }

  const OpenWeights& open_;
  std::map<std::string, TensorBytes> files_;
};

/// The typed fields of a tensor until its type is known, which may come after them.
struct TypedData {
  std::vector<std::int64_t> ints;
  std::string fixed;  ///< float_data or double_data, which are little-endian already
  bool external = false;
  std::map<std::string, std::string> place;  ///< external_data
};

Status ReadFixed(const WireField& field, std::size_t width, std::string& out) {
  if (field.kind == WireKind::kVarint || field.bytes.size() % width != 0) {
    return Corrupt("typed data is not a row of " + std::to_string(width) + "-byte values");
  }
  out += field.bytes;
  return Ok();
}

Status ReadTensorField(const WireField& field, Tensor& tensor, TypedData& typed) {
  switch (field.field) {
    case fields::kTensorDims:
      return AppendInts(field, tensor.dims);
    case fields::kTensorType:
      return ReadType(field, "data_type", tensor.type);
    case fields::kTensorName:
      return ReadText(field, "name", tensor.name);
    case fields::kTensorRaw:
      return ReadText(field, "raw_data", tensor.bytes.Own());
    case fields::kTensorInt32s:
    case fields::kTensorInt64s:
    case fields::kTensorUint64s:
      return AppendInts(field, typed.ints);
    case fields::kTensorFloats:
      return ReadFixed(field, 4, typed.fixed);
    case fields::kTensorDoubles:
      return ReadFixed(field, 8, typed.fixed);
    case fields::kTensorStrings:
      return Unsupported("a tensor of strings");
    case fields::kTensorExternal: {
      MUSTER_RETURN_IF_ERROR(Expect(field, WireKind::kBytes, "external_data"));
      std::string key;
      std::string value;
      MUSTER_RETURN_IF_ERROR(ReadEntry(field, key, value));
      typed.place[key] = std::move(value);
      return Ok();
    }
    case fields::kTensorLocation: {
      std::int64_t location = 0;
      MUSTER_RETURN_IF_ERROR(ReadInt(field, "data_location", location));
      typed.external = location != 0;
      return Ok();
    }
    default:
      return Ok();
  }
}

Status TakeExternal(const TypedData& typed, WeightFiles* files, Tensor& tensor) {
  if (files == nullptr) return Unsupported("its data lies in another file");
  const std::int64_t elements = tensor.elements();
  std::size_t wanted = 0;
  if (elements < 0 || __builtin_mul_overflow(static_cast<std::size_t>(elements),
                                             DataTypeSize(tensor.type), &wanted)) {
    return Corrupt("a negative or too large shape");
  }
  MUSTER_ASSIGN_OR_RETURN(tensor.bytes, files->Part(typed.place, wanted));
  return Ok();
}

/// `files`: null where external data is not supported.
Result<Tensor> ReadTensor(const WireField& message, WeightFiles* files) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "a tensor"));
  Tensor tensor;
  TypedData typed;
  Status status = EachField(
      message.bytes, [&](const WireField& field) { return ReadTensorField(field, tensor, typed); });
  if (status.ok() && typed.external) status = TakeExternal(typed, files, tensor);
  if (!status.ok()) return status.error().With("tensor '" + tensor.name + "'");
  if (tensor.bytes.empty()) {
    tensor.bytes = std::move(typed.fixed);
    AppendNarrowed(typed.ints, tensor.type, tensor.bytes.Own());
  }
  return tensor;
}

/// What an attribute message said; `type` decides which of the values counts.
struct RawAttribute {
  std::int64_t type = 0;
  std::int64_t number = 0;
  float real = 0;
  std::string text;
  Tensor tensor;
  std::vector<std::int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
};

Status ReadAttributeField(const WireField& field, std::string& name, RawAttribute& raw) {
  switch (field.field) {
    case fields::kAttributeName:
      return ReadText(field, "name", name);
    case fields::kAttributeType:
      return ReadInt(field, "type", raw.type);
    case fields::kAttributeInt:
      return ReadInt(field, "i", raw.number);
    case fields::kAttributeString:
      return ReadText(field, "s", raw.text);
    case fields::kAttributeInts:
      return AppendInts(field, raw.ints);
    case fields::kAttributeFloats:
      return AppendFloats(field, raw.floats);
    case fields::kAttributeFloat: {
      MUSTER_RETURN_IF_ERROR(Expect(field, WireKind::kFixed32, "f"));
      raw.real = field.Float();
      return Ok();
    }
    case fields::kAttributeTensor: {
      MUSTER_ASSIGN_OR_RETURN(raw.tensor, ReadTensor(field, nullptr));
      return Ok();
    }
    case fields::kAttributeStrings: {
      MUSTER_RETURN_IF_ERROR(Expect(field, WireKind::kBytes, "strings"));
      raw.strings.emplace_back(field.bytes);
      return Ok();
    }
    default:
      return Ok();
  }
}

Result<AttributeValue> Chosen(RawAttribute raw) {
  switch (raw.type) {
    case fields::kTypeFloat:
      return AttributeValue(raw.real);
    case fields::kTypeInt:
      return AttributeValue(raw.number);
    case fields::kTypeString:
      return AttributeValue(std::move(raw.text));
    case fields::kTypeTensor:
      return AttributeValue(std::move(raw.tensor));
    case fields::kTypeFloats:
      return AttributeValue(std::move(raw.floats));
    case fields::kTypeInts:
      return AttributeValue(std::move(raw.ints));
    case fields::kTypeStrings:
      return AttributeValue(std::move(raw.strings));
    case fields::kTypeGraph:
      return Unsupported("it holds a subgraph (If, Loop, Scan)");
    default:
      return Unsupported("attribute type " + std::to_string(raw.type));
  }
}

Result<Attribute> ReadAttribute(const WireField& message) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "an attribute"));
  Attribute attribute;
  RawAttribute raw;
  Status status = EachField(message.bytes, [&](const WireField& field) {
    return ReadAttributeField(field, attribute.name, raw);
  });
  if (!status.ok()) return status.error().With("attribute '" + attribute.name + "'");
  Result<AttributeValue> value = Chosen(std::move(raw));
  if (!value.ok()) return value.error().With("attribute '" + attribute.name + "'");
  attribute.value = std::move(*value);
  return attribute;
}

Status ReadNodeField(const WireField& field, Node& node) {
  switch (field.field) {
    case fields::kNodeInput:
      return ReadText(field, "input", node.inputs.emplace_back());
    case fields::kNodeOutput:
      return ReadText(field, "output", node.outputs.emplace_back());
    case fields::kNodeName:
      return ReadText(field, "name", node.name);
    case fields::kNodeOpType:
      return ReadText(field, "op_type", node.op_type);
    case fields::kNodeDomain:
      MUSTER_RETURN_IF_ERROR(ReadText(field, "domain", node.domain));
      if (node.domain == "ai.onnx") node.domain.clear();  // as of opset_import
      return Ok();
    case fields::kNodeAttribute: {
      MUSTER_ASSIGN_OR_RETURN(Attribute attribute, ReadAttribute(field));
      node.attributes.push_back(std::move(attribute));
      return Ok();
    }
    default:
      return Ok();
  }
}

Status ReadDim(const WireField& message, std::vector<Dim>& out) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "a dimension"));
  Dim& dim = out.emplace_back();
  return EachField(message.bytes, [&](const WireField& field) {
    if (field.field == fields::kDimValue) return ReadInt(field, "dim_value", dim.size);
    if (field.field == fields::kDimParam) return ReadText(field, "dim_param", dim.symbol);
    return Ok();
  });
}

Status ReadTensorType(const WireField& message, ValueInfo& value) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "a tensor type"));
  value.has_shape = false;
  return EachField(message.bytes, [&](const WireField& field) -> Status {
    if (field.field == fields::kTensorTypeElem) return ReadType(field, "elem_type", value.type);
    if (field.field != fields::kTensorTypeShape) return Ok();
    MUSTER_RETURN_IF_ERROR(Expect(field, WireKind::kBytes, "a shape"));
    value.has_shape = true;
    return EachField(field.bytes, [&](const WireField& dim) {
      return dim.field == fields::kShapeDim ? ReadDim(dim, value.shape) : Ok();
    });
  });
}

Status ReadValueType(const WireField& message, ValueInfo& value) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "a type"));
  return EachField(message.bytes, [&](const WireField& field) -> Status {
    if (field.field == fields::kTypeTensorType) return ReadTensorType(field, value);
    if (field.field == fields::kTypeDenotation) return Ok();
    return Unsupported("it is not a tensor (type field " + std::to_string(field.field) + ")");
  });
}

Result<ValueInfo> ReadValueInfo(const WireField& message) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "a value"));
  ValueInfo value;
  value.has_shape = false;
  const Status status = EachField(message.bytes, [&](const WireField& field) {
    if (field.field == fields::kValueName) return ReadText(field, "name", value.name);
    if (field.field == fields::kValueType) return ReadValueType(field, value);
    return Ok();
  });
  if (!status.ok()) return status.error().With("value '" + value.name + "'");
  return value;
}

Status AppendValueInfo(const WireField& message, std::vector<ValueInfo>& out) {
  MUSTER_ASSIGN_OR_RETURN(ValueInfo value, ReadValueInfo(message));
  out.push_back(std::move(value));
  return Ok();
}

Status AppendNode(const WireField& message, std::vector<Node>& out) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "a node"));
  Node& node = out.emplace_back();
  const Status status =
      EachField(message.bytes, [&](const WireField& field) { return ReadNodeField(field, node); });
  if (status.ok()) return Ok();
  const std::string name = node.name.empty() ? std::string() : " '" + node.name + "'";
  return status.error().With("node " + std::to_string(out.size() - 1) + name);
}

Status ReadGraphField(const WireField& field, WeightFiles& files, Graph& graph) {
  switch (field.field) {
    case fields::kGraphNode:
      return AppendNode(field, graph.nodes);
    case fields::kGraphName:
      return ReadText(field, "name", graph.name);
    case fields::kGraphInput:
      return AppendValueInfo(field, graph.inputs);
    case fields::kGraphOutput:
      return AppendValueInfo(field, graph.outputs);
    case fields::kGraphValueInfo:
      return AppendValueInfo(field, graph.value_info);
    case fields::kGraphSparseInitializer:
      return Unsupported("a sparse initializer");
    case fields::kGraphInitializer: {
      MUSTER_ASSIGN_OR_RETURN(Tensor tensor, ReadTensor(field, &files));
      graph.initializers.push_back(std::move(tensor));
      return Ok();
    }
    default:
      return Ok();
  }
}

/// Files of IR 3 and before list initializers among the inputs too; graph.h does not.
void DropInitializersFromInputs(Graph& graph) {
  std::map<std::string_view, bool> initialized;
  for (const Tensor& tensor : graph.initializers) initialized[tensor.name] = true;
  std::erase_if(graph.inputs,
                [&](const ValueInfo& input) { return initialized.contains(input.name); });
}

Status ReadOpset(const WireField& message, Model& model) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "an opset_import"));
  std::string domain;
  std::int64_t version = 0;
  MUSTER_RETURN_IF_ERROR(EachField(message.bytes, [&](const WireField& field) {
    if (field.field == fields::kOpsetDomain) return ReadText(field, "domain", domain);
    if (field.field == fields::kOpsetVersion) return ReadInt(field, "version", version);
    return Ok();
  }));
  if (domain == "ai.onnx") domain.clear();
  model.opsets[domain] = version;
  return Ok();
}

Status ReadMetadata(const WireField& message, Model& model) {
  MUSTER_RETURN_IF_ERROR(Expect(message, WireKind::kBytes, "metadata_props"));
  std::string key;
  std::string value;
  MUSTER_RETURN_IF_ERROR(ReadEntry(message, key, value));
  model.metadata[key] = std::move(value);
  return Ok();
}

Status ReadModelField(const WireField& field, WeightFiles& files, Model& model, bool& has_graph) {
  switch (field.field) {
    case fields::kModelIrVersion:
      return ReadInt(field, "ir_version", model.ir_version);
    case fields::kModelProducer:
      return ReadText(field, "producer_name", model.producer_name);
    case fields::kModelProducerVersion:
      return ReadText(field, "producer_version", model.producer_version);
    case fields::kModelDoc:
      return ReadText(field, "doc_string", model.doc);
    case fields::kModelOpset:
      return ReadOpset(field, model);
    case fields::kModelMetadata:
      return ReadMetadata(field, model);
    case fields::kModelFunctions:
      return Unsupported("functions defined by the model");
    case fields::kModelGraph: {
      MUSTER_RETURN_IF_ERROR(Expect(field, WireKind::kBytes, "graph"));
      has_graph = true;
      const Status status = EachField(field.bytes, [&](const WireField& inner) {
        return ReadGraphField(inner, files, model.graph);
      });
      if (!status.ok()) return status.error().With("graph");
      return Ok();
    }
    default:
      return Ok();
  }
}

}  // namespace

Result<Model> Read(std::string_view bytes, const OpenWeights& open) {
  WeightFiles files(open);
  Model model;
  model.ir_version = 0;
  model.opsets.clear();
  bool has_graph = false;
  const Status status = EachField(bytes, [&](const WireField& field) {
    return ReadModelField(field, files, model, has_graph);
  });
  if (!status.ok()) return status.error().With("ONNX model");
  if (!has_graph)
    return Corrupt("ONNX model: " + std::to_string(bytes.size()) + " bytes without a graph");
  DropInitializersFromInputs(model.graph);
  return model;
}

}  // namespace muster::onnx

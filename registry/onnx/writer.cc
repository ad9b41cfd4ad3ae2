#include "registry/onnx/writer.h"

#include "registry/onnx/fields.h"
#include "registry/onnx/wire.h"

namespace muster::onnx {
namespace {

constexpr std::size_t kPage = 4096;

/// Where the bytes of weights go.
class Placement {
 public:
  explicit Placement(const WeightFile* file) : file_(file) {}

  [[nodiscard]] bool Outside(const Tensor& tensor) const {
    return file_ != nullptr && !tensor.bytes.empty() && tensor.bytes.size() >= file_->bytes_min;
  }
  [[nodiscard]] const std::string& name() const { return file_->name; }
  /// The offset in the second file of the next `size` bytes.
  std::size_t Take(std::size_t size) {
    const std::size_t offset = (end_ + kPage - 1) / kPage * kPage;
    end_ = offset + size;
    return offset;
  }

 private:
  const WeightFile* file_;
  std::size_t end_ = 0;
};

void WriteEntry(int field, std::string_view key, std::string_view value, WireWriter& out) {
  const std::size_t begin = out.Begin(field);
  out.Bytes(fields::kEntryKey, key);
  out.Bytes(fields::kEntryValue, value);
  out.End(begin);
}

void WriteTensor(int field, const Tensor& tensor, Placement& placement, WireWriter& out) {
  const std::size_t begin = out.Begin(field);
  for (const std::int64_t dim : tensor.dims) out.Int(fields::kTensorDims, dim);
  out.Int(fields::kTensorType, static_cast<std::int64_t>(tensor.type));
  out.Text(fields::kTensorName, tensor.name);
  if (placement.Outside(tensor)) {
    const std::size_t size = tensor.bytes.size();
    const auto entry = [&](std::string_view key, std::string_view value) {
      WriteEntry(fields::kTensorExternal, key, value, out);
    };
    entry("location", placement.name());
    entry("offset", std::to_string(placement.Take(size)));
    entry("length", std::to_string(size));
    out.Int(fields::kTensorLocation, fields::kLocationExternal);
  } else {
    out.Borrow(fields::kTensorRaw, tensor.bytes);
  }
  out.End(begin);
}

struct AttributeWriter {
  WireWriter& out;
  void operator()(std::int64_t value) const {
    out.Int(fields::kAttributeInt, value);
    Type(fields::kTypeInt);
  }
  void operator()(float value) const {
    out.Float(fields::kAttributeFloat, value);
    Type(fields::kTypeFloat);
  }
  void operator()(const std::string& value) const {
    out.Bytes(fields::kAttributeString, value);
    Type(fields::kTypeString);
  }
  void operator()(const Tensor& value) const {
    Placement inside(nullptr);
    WriteTensor(fields::kAttributeTensor, value, inside, out);
    Type(fields::kTypeTensor);
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    for (const std::int64_t value : values) out.Int(fields::kAttributeInts, value);
    Type(fields::kTypeInts);
  }
  void operator()(const std::vector<float>& values) const {
    for (const float value : values) out.Float(fields::kAttributeFloats, value);
    Type(fields::kTypeFloats);
  }
  void operator()(const std::vector<std::string>& values) const {
    for (const std::string& value : values) out.Bytes(fields::kAttributeStrings, value);
    Type(fields::kTypeStrings);
  }
  void Type(std::int64_t type) const { out.Int(fields::kAttributeType, type); }
};

void WriteNode(const Node& node, WireWriter& out) {
  const std::size_t begin = out.Begin(fields::kGraphNode);
  for (const std::string& input : node.inputs) out.Bytes(fields::kNodeInput, input);
  for (const std::string& output : node.outputs) out.Bytes(fields::kNodeOutput, output);
  out.Text(fields::kNodeName, node.name);
  out.Bytes(fields::kNodeOpType, node.op_type);
  for (const Attribute& attribute : node.attributes) {
    const std::size_t inner = out.Begin(fields::kNodeAttribute);
    out.Bytes(fields::kAttributeName, attribute.name);
    std::visit(AttributeWriter{out}, attribute.value);
    out.End(inner);
  }
  out.Text(fields::kNodeDomain, node.domain);
  out.End(begin);
}

void WriteShape(const std::vector<Dim>& shape, WireWriter& out) {
  const std::size_t begin = out.Begin(fields::kTensorTypeShape);
  for (const Dim& dim : shape) {
    const std::size_t inner = out.Begin(fields::kShapeDim);
    if (dim.size >= 0) out.Int(fields::kDimValue, dim.size);
    out.Text(fields::kDimParam, dim.symbol);
    out.End(inner);
  }
  out.End(begin);
}

void WriteValueInfo(int field, const ValueInfo& value, WireWriter& out) {
  const std::size_t begin = out.Begin(field);
  out.Bytes(fields::kValueName, value.name);
  const std::size_t type = out.Begin(fields::kValueType);
  const std::size_t tensor = out.Begin(fields::kTypeTensorType);
  out.Int(fields::kTensorTypeElem, static_cast<std::int64_t>(value.type));
  if (value.has_shape) WriteShape(value.shape, out);
  out.End(tensor);
  out.End(type);
  out.End(begin);
}

void WriteGraph(const Graph& graph, Placement& placement, WireWriter& out) {
  const std::size_t begin = out.Begin(fields::kModelGraph);
  for (const Node& node : graph.nodes) WriteNode(node, out);
  out.Text(fields::kGraphName, graph.name);
  for (const Tensor& tensor : graph.initializers) {
    WriteTensor(fields::kGraphInitializer, tensor, placement, out);
  }
  for (const ValueInfo& value : graph.inputs) WriteValueInfo(fields::kGraphInput, value, out);
  for (const ValueInfo& value : graph.outputs) WriteValueInfo(fields::kGraphOutput, value, out);
  for (const ValueInfo& value : graph.value_info) {
    WriteValueInfo(fields::kGraphValueInfo, value, out);
  }
  out.End(begin);
}

Status TooLarge(std::size_t bytes, std::size_t max_bytes) {
  return Unsupported("the model takes " + std::to_string(bytes) +
                     " bytes; an ONNX file holds at most " + std::to_string(max_bytes) +
                     ": write its weights to a file of their own");
}

WireWriter Encode(const Model& model, Placement placement) {
  WireWriter out;
  out.Int(fields::kModelIrVersion, model.ir_version);
  out.Text(fields::kModelProducer, model.producer_name);
  out.Text(fields::kModelProducerVersion, model.producer_version);
  out.Text(fields::kModelDoc, model.doc);
  WriteGraph(model.graph, placement, out);
  for (const auto& [domain, version] : model.opsets) {
    const std::size_t begin = out.Begin(fields::kModelOpset);
    out.Text(fields::kOpsetDomain, domain);
    out.Int(fields::kOpsetVersion, version);
    out.End(begin);
  }
  for (const auto& [key, value] : model.metadata) {
    WriteEntry(fields::kModelMetadata, key, value, out);
  }
  return out;
}

Status WriteWeights(const Model& model, const WeightFile& weights) {
  static constexpr char kZeros[kPage] = {};
  Placement placement(&weights);
  std::size_t written = 0;
  for (const Tensor& tensor : model.graph.initializers) {
    if (!placement.Outside(tensor)) continue;
    const std::size_t offset = placement.Take(tensor.bytes.size());
    MUSTER_RETURN_IF_ERROR(weights.sink(std::string_view(kZeros, offset - written)));
    MUSTER_RETURN_IF_ERROR(tensor.bytes.Visit(weights.sink));
    written = offset + tensor.bytes.size();
  }
  return Ok();
}

}  // namespace

Status Write(const Model& model, const Sink& sink, std::size_t max_bytes) {
  const WireWriter out = Encode(model, Placement(nullptr));
  if (out.size() > max_bytes) return TooLarge(out.size(), max_bytes);
  return out.ForEachPiece(sink);
}

Result<std::string> Write(const Model& model, std::size_t max_bytes) {
  const WireWriter out = Encode(model, Placement(nullptr));
  if (out.size() > max_bytes) return TooLarge(out.size(), max_bytes).error();
  return out.Take();
}

Status WriteWithWeightFile(const Model& model, const Sink& sink, const WeightFile& weights) {
  const WireWriter out = Encode(model, Placement(&weights));
  if (out.size() > kMaxModelBytes) return TooLarge(out.size(), kMaxModelBytes);
  MUSTER_RETURN_IF_ERROR(WriteWeights(model, weights));
  return out.ForEachPiece(sink);
}

std::size_t WeightBytes(const Model& model) {
  std::size_t total = 0;
  for (const Tensor& tensor : model.graph.initializers) total += tensor.bytes.size();
  return total;
}

}  // namespace muster::onnx

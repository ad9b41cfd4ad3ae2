#include <algorithm>
#include <utility>

#include "registry/serve/classification.h"
#include "registry/serve/infer_codec.h"
#include "registry/serve/json_tensors.h"

namespace muster::registry::serve {

namespace {

/// The JSON of an answer and the bytes that follow it.
class Answer {
 public:
  Answer(const InferRequest& request, std::string_view model, std::string_view version) {
    head_.reserve(256);
    head_ += '{';
    if (!request.id.empty()) {
      head_ += "\"id\":";
      AppendQuoted(head_, request.id);
      head_ += ',';
    }
    head_ += "\"model_name\":";
    AppendQuoted(head_, model);
    head_ += ",\"model_version\":";
    AppendQuoted(head_, version);
    head_ += ",\"outputs\":[";
  }

  Status Append(const Tensor& tensor, bool as_binary, std::int64_t classes) {
    if (classes > 0) {
      AppendClasses(tensor.name, Classify(tensor, classes), as_binary);
      return Ok();
    }
    Begin(tensor.name, ElementTypeName(tensor.type), tensor.shape);
    if (as_binary) {
      Binary(tensor.bytes.size());
      binary_.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
      return Ok();
    }
    head_ += ",\"data\":";
    if (Status written = AppendFlat(head_, tensor); !written.ok()) {
      return written.error().With("output '" + tensor.name + "'");
    }
    head_ += '}';
    return Ok();
  }

  http::Response Take() && {
    head_ += "]}";
    http::Response response;
    if (any_binary_) {
      response.headers.emplace("Content-Type", "application/octet-stream");
      response.headers.emplace(kJsonLengthHeader, std::to_string(head_.size()));
      head_ += binary_;
    } else {
      response.headers.emplace("Content-Type", "application/json");
    }
    response.body = std::move(head_);
    return response;
  }

 private:
  void Begin(std::string_view name, std::string_view type, const std::vector<std::int64_t>& shape) {
    if (!std::exchange(first_, false)) head_ += ',';
    head_ += "{\"name\":";
    AppendQuoted(head_, name);
    head_ += ",\"datatype\":\"";
    head_ += type;
    head_ += "\",\"shape\":";
    head_ += ShapeText(shape);
  }
  void Binary(std::size_t size) {
    any_binary_ = true;
    head_ += ",\"parameters\":{\"binary_data_size\":" + std::to_string(size) + "}}";
  }
  void AppendClasses(std::string_view name, const Classes& classes, bool as_binary) {
    Begin(name, "BYTES", classes.shape);
    if (as_binary) {
      const std::size_t before = binary_.size();
      for (const std::string& label : classes.labels) {
        const auto size = static_cast<std::uint32_t>(label.size());
        binary_.append(reinterpret_cast<const char*>(&size), sizeof size);
        binary_ += label;
      }
      return Binary(binary_.size() - before);
    }
    head_ += ",\"data\":[";
    for (const std::string& label : classes.labels) {
      if (&label != &classes.labels.front()) head_ += ',';
      AppendQuoted(head_, label);
    }
    head_ += "]}";
  }

  std::string head_, binary_;
  bool first_ = true, any_binary_ = false;
};

}  // namespace

Result<http::Response> EncodeInfer(const InferRequest& request, std::string_view model,
                                   std::string_view version, const std::vector<Tensor>& outputs) {
  if (request.outputs.size() > outputs.size()) {
    return Invalid("model '" + std::string(model) + "' has " + std::to_string(outputs.size()) +
                   " outputs, the request wants " + std::to_string(request.outputs.size()));
  }
  Answer answer(request, model, version);
  if (request.outputs.empty()) {
    for (const Tensor& tensor : outputs) {
      MUSTER_RETURN_IF_ERROR(answer.Append(tensor, request.binary_output, 0));
    }
  }
  for (const WantedOutput& wanted : request.outputs) {
    const auto tensor = std::find_if(outputs.begin(), outputs.end(), [&](const Tensor& output) {
      return output.name == wanted.name;
    });
    if (tensor == outputs.end()) {
      return Invalid("unexpected inference output '" + wanted.name + "' for model '" +
                     std::string(model) + "'");
    }
    MUSTER_RETURN_IF_ERROR(answer.Append(*tensor, wanted.binary, wanted.classes));
  }
  return std::move(answer).Take();
}

}  // namespace muster::registry::serve

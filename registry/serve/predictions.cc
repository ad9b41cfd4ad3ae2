#include "registry/serve/invocations.h"
#include "registry/serve/json_tensors.h"

namespace muster::registry::serve {

namespace {

std::int64_t RowsOf(const Tensor& tensor) {
  return tensor.shape.empty() ? -1 : tensor.shape.front();
}

Status AppendByOutput(std::string& body, const std::vector<Tensor>& outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    body += i == 0 ? '{' : ',';
    AppendQuoted(body, outputs[i].name);
    body += ':';
    MUSTER_RETURN_IF_ERROR(AppendNested(body, outputs[i]));
  }
  body += '}';
  return Ok();
}

Status AppendObjects(std::string& body, const std::vector<Tensor>& outputs, OneElement one) {
  const std::int64_t rows = RowsOf(outputs.front());
  for (const Tensor& output : outputs) {
    if (rows < 0 || RowsOf(output) != rows) {
      return Invalid("output '" + output.name + "' has shape " + ShapeText(output.shape) +
                     ", which is no column of a table; ask with 'inputs'");
    }
  }
  body += '[';
  for (std::int64_t row = 0; row < rows; ++row) {
    body += row == 0 ? "{" : ",{";
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (i > 0) body += ',';
      AppendQuoted(body, outputs[i].name);
      body += ':';
      MUSTER_RETURN_IF_ERROR(AppendRow(body, outputs[i], row, one));
    }
    body += '}';
  }
  body += ']';
  return Ok();
}

Status AppendPredictions(std::string& body, PredictionForm form,
                         const std::vector<Tensor>& outputs) {
  switch (form) {
    case PredictionForm::kByOutput:
      return AppendByOutput(body, outputs);
    case PredictionForm::kRecords:
      return AppendObjects(body, outputs, OneElement::kAlone);
    case PredictionForm::kRows:
      break;
  }
  if (outputs.size() == 1 && RowsOf(outputs[0]) >= 0) return AppendNested(body, outputs[0]);
  return AppendObjects(body, outputs, OneElement::kInItsLists);
}

}  // namespace

Result<std::string> EncodePredictions(const Invocation& invocation,
                                      const std::vector<Tensor>& outputs) {
  std::string body = invocation.bare ? "" : "{\"predictions\":";
  MUSTER_RETURN_IF_ERROR(AppendPredictions(body, invocation.form, outputs));
  if (!invocation.bare) body += '}';
  return body;
}

}  // namespace muster::registry::serve

#include "registry/package/model_card.h"

#include "registry/package/findings.h"
#include "registry/package/text.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::string_view kSections[] = {"Data",     "Metrics", "Metrics by segment", "Gates",
                                          "Fairness", "Limits",  "Provenance"};

std::string Heading(std::string_view section) { return "\n## " + std::string(section) + "\n\n"; }

/// A cell of a Markdown table.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '\\') cell += '\\';
    cell += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return cell;
}

std::string Row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + Cell(cell) + " |";
  return row + "\n";
}

std::string TableHead(const std::vector<std::string>& headings) {
  std::string rule = "|";
  for (std::size_t i = 0; i < headings.size(); ++i) rule += "---|";
  return Row(headings) + rule + "\n";
}

std::string FrontMatter(const PackageSpec& spec) {
  const std::string task = HubTask(spec);
  std::string text =
      "---\nlibrary_name: onnx\npipeline_tag: " + YamlText(task) +
      "\ntags:\n- onnx\n- muster\nmodel-index:\n- name: " + YamlText(spec.model) +
      "\n  results:\n  - task:\n      type: " + YamlText(task) +
      "\n    dataset:\n      name: " + YamlText("held-out rows of " + spec.lineage.sweep) +
      "\n      type: held-out\n    metrics:\n";
  for (const auto& [name, value] : spec.info.metrics) {
    text += "    - type: " + YamlText(name.substr(name.rfind('/') + 1)) +
            "\n      name: " + YamlText(name) + "\n      value: " + YamlNumber(value) + "\n";
  }
  if (spec.info.metrics.empty()) text += "    []\n";
  return text + "---\n";
}

std::string Data(const PackageSpec& spec) {
  std::string text = TableHead({"role", "path", "digest"});
  for (const auto& [role, path] : spec.lineage.data) {
    const std::string digest = spec.DataDigest(role);
    text += Row({role, path, digest.empty() ? "not recorded" : digest});
  }
  return text;
}

std::string Metrics(const PackageSpec& spec) {
  std::string text = "As the trial measured them:\n\n" + TableHead({"metric", "value"});
  for (const auto& [name, value] : spec.info.metrics) text += Row({name, ShortNumber(value)});
  return text;
}

std::string Segments(const PackageSpec& spec) {
  const auto figures = SegmentFigures(spec);
  if (figures.empty()) return "The held-out rows have no segments.\n";
  std::string text = TableHead({"segment", "metric", "value", "rows"});
  for (const SegmentFigure& figure : figures) {
    text += Row(
        {figure.segment, figure.metric, ShortNumber(figure.value), std::to_string(figure.rows)});
  }
  return text;
}

std::string Gates(const PackageSpec& spec, bool fairness) {
  std::string rows;
  for (const GateVerdict& verdict : spec.verdicts) {
    if (fairness && !IsFairness(verdict)) continue;
    rows += Row({verdict.gate, verdict.passed ? "passed" : "refused", ShortNumber(verdict.seen),
                 verdict.detail});
  }
  if (rows.empty()) {
    return fairness ? "No gate compared groups.\n" : "No gate was judged.\n";
  }
  return TableHead({"gate", "verdict", "seen", "detail"}) + rows;
}

std::string Bullets(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += "- " + sentence + "\n";
  return text;
}

/// A parameter's value.
std::string Shown(const boost::json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  return value.is_double() ? ShortNumber(value.get_double()) : wire::SerializeJson(value);
}

std::string Origin(const PackageSpec& spec) {
  const Lineage& from = spec.lineage;
  std::string text =
      "Trial `" + from.trial + "` of sweep `" + from.sweep + "` (program `" + spec.program +
      "`, run `" + from.run_id + "`), packed " + IsoTime(spec.created_ms) + ". ONNX opset " +
      std::to_string(spec.info.opset) + ", judged on " + spec.engine + "; SHA-256 of model.onnx `" +
      spec.onnx_sha256 +
      "`.\n\nprovenance.json (SLSA), ml-bom.json (CycloneDX) and card.json say the same "
      "to programs; model.sig signs every file here:\n"
      "`muster model verify DIR` checks it.\n\n" +
      TableHead({"parameter", "value"});
  for (const auto& [key, value] : from.params) text += Row({std::string(key), Shown(value)});
  return text;
}

}  // namespace

std::string ModelCardText(const PackageSpec& spec) {
  return FrontMatter(spec) + "\n# " + Cell(spec.model) + "\n\nA model for " + HubTask(spec) +
         " with " + NamesText(spec.info.inputs) + " as input and " + NamesText(spec.info.outputs) +
         " as output.\n" + Heading("Data") + Data(spec) + Heading("Metrics") + Metrics(spec) +
         Heading("Metrics by segment") + Segments(spec) + Heading("Gates") + Gates(spec, false) +
         Heading("Fairness") + Gates(spec, true) + Heading("Limits") + Bullets(Limits(spec)) +
         Heading("Provenance") + Origin(spec);
}

std::vector<std::string> MissingSections(std::string_view card) {
  std::vector<std::string> missing;
  for (const std::string_view section : kSections) {
    if (card.find(Heading(section)) == std::string_view::npos) missing.emplace_back(section);
  }
  return missing;
}

}  // namespace muster::registry

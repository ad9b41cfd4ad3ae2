// muster data convert
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <iostream>
#include <memory>
#include <sstream>

#include "runtime/cli/context.h"
#include "runtime/modules/hdf5.h"

namespace muster::cli {
namespace {

using trainer::hdf5::Converted;
using trainer::hdf5::CsvOptions;
using trainer::hdf5::OutputOptions;

constexpr const char* kAllSplits = "train=0.7,validation=0.15,test=0.15";

struct ConvertFlags {
  std::vector<std::string> inputs;  ///< a table; or a file to write and its columns
  CsvOptions csv;
  OutputOptions output;
  std::string out, shape, split, inputs_name;
};

template <typename Each>
Status ForEachPart(const std::string& text, char separator, Each each) {
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, separator);) {
    MUSTER_RETURN_IF_ERROR(each(part));
  }
  return Ok();
}

Status ParseShape(const std::string& text, std::vector<std::int64_t>& shape) {
  return ForEachPart(text, ',', [&](const std::string& part) -> Status {
    std::int64_t size = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), size);
    if (read.ec != std::errc() || read.ptr != part.data() + part.size() || size < 1) {
      return Invalid("--shape " + text + ": '" + part + "' is no size; wanted like 1,8,8");
    }
    shape.push_back(size);
    return Ok();
  });
}

Status ParseSplits(const std::string& text, std::vector<trainer::hdf5::Split>& splits) {
  splits.clear();
  return ForEachPart(text, ',', [&](const std::string& part) -> Status {
    const auto equals = part.find('=');
    const char* const end = part.data() + part.size();
    double fraction = 0;
    std::from_chars_result read{end, std::errc()};
    if (equals != std::string::npos) {
      read = std::from_chars(part.data() + equals + 1, end, fraction);
    }
    if (read.ec != std::errc() || read.ptr != end || !(fraction > 0)) {
      return Invalid("--split " + text + ": '" + part + "'; wanted like train=0.7");
    }
    splits.push_back({part.substr(0, equals), fraction});
    return Ok();
  });
}

Result<Converted> ConvertTable(const Context& context, ConvertFlags& flags) {
  if (flags.csv.name.empty()) return Invalid("--name is wanted: what the files are called");
  flags.csv.csv = flags.inputs[0];
  flags.csv.out_dir = flags.out.empty() ? "." : flags.out;
  flags.csv.output = flags.output;
  flags.csv.inputs_name = flags.shape.empty() ? "features" : "images";
  if (!flags.inputs_name.empty()) flags.csv.inputs_name = flags.inputs_name;
  MUSTER_RETURN_IF_ERROR(ParseShape(flags.shape, flags.csv.row_shape));
  return modules::ConvertCsv(context.program.parent_path(), flags.csv);
}

Result<Converted> ConvertColumns(const Context& context, const ConvertFlags& flags) {
  if (!flags.out.empty() || !flags.csv.name.empty() || !flags.shape.empty() ||
      !flags.inputs_name.empty() || flags.csv.header) {
    return Invalid(
        "--out, --name, --shape, --inputs and --header belong to a table; columns are written to " +
        flags.inputs[0] + ", and say their shape as in tokens=a.txt:u8:129");
  }
  return modules::ConvertArrays(context.program.parent_path(),
                                {.columns = {flags.inputs.begin() + 1, flags.inputs.end()},
                                 .out = flags.inputs[0],
                                 .labels_name = flags.csv.labels_name,
                                 .output = flags.output});
}

Result<Converted> ConvertInputs(const Context& context, ConvertFlags& flags) {
  const bool table = flags.inputs.size() == 1;
  if (table && std::filesystem::path(flags.inputs[0]).extension() == ".h5") {
    return Invalid("no columns for " + flags.inputs[0] +
                   "; wanted like images=images.npy labels=labels.npy");
  }
  if (table && flags.split.empty()) flags.split = kAllSplits;
  flags.output.splits = {{"", 1}};
  if (!flags.split.empty()) MUSTER_RETURN_IF_ERROR(ParseSplits(flags.split, flags.output.splits));
  return table ? ConvertTable(context, flags) : ConvertColumns(context, flags);
}

int Convert(const Context& context, ConvertFlags flags) {
  const auto converted = ConvertInputs(context, flags);
  if (!converted.ok()) return Fail(context, converted.error());
  Table table({"FILE", "ROWS"});
  boost::json::array list;
  for (const auto& file : converted->files) {
    table.Add({file.path.string(), std::to_string(file.rows)});
    list.push_back({{"path", file.path.string()}, {"rows", file.rows}});
  }
  const boost::json::array notes(converted->notes.begin(), converted->notes.end());
  if (PrintJson(context, boost::json::object{{"files", std::move(list)}, {"notes", notes}})) {
    return kDone;
  }
  if (context.quiet) return kDone;
  table.Print();
  for (const std::string& note : converted->notes) std::cerr << "note: " << note << '\n';
  return kDone;
}

constexpr const char* kConvertHelp =
    R"(A table is a CSV file of numbers (also .gz), one row a line; its last column is the label, a whole number from 0:
  muster data convert digits.csv.gz --name digits --shape 1,8,8     writes digits-train.h5, -validation.h5, -test.h5
  muster data convert payments.csv --name payments --header         with datasets features and labels, for the trial tabular

Arrays are columns of one file, each NAME=FILES. FILES is one file, a pattern, or several separated by commas:
  muster data convert digits.h5 images=images.npy labels=labels.npy --split train=0.8,test=0.2
NumPy's .npy files say their type and shape. Of plain files say them, as NAME=FILES:TYPE:SHAPE; without :SHAPE a row is
one number. TYPE is u8, i8, i16, u16, i32, u32, i64, f16, f32 or f64, little-endian:
  muster data convert text.h5 'tokens=README.md,src/*.md:u8:129'    rows of 129 bytes for a language model
  muster data convert faces.h5 images=faces.bin:u8:3,64,64 labels=ids.bin:i64
Several files are joined end to end; a rest at the end that is no whole row is left out, and said.

Without --split one file is written, with all rows in their order. Splits deal rows out at random by --seed, those of
every class of the column --labels in proportion. Trials read many files as one dataset: --train 'text-train-*.h5'.)";

}  // namespace

void AddData(CLI::App& app, Context& context) {
  auto* data = app.add_subcommand("data", "Prepare datasets for trials")->require_subcommand(1);
  auto* convert = data->add_subcommand(
      "convert", "A table of numbers (CSV), NumPy arrays, plain arrays or any bytes to HDF5 files");
  auto flags = std::make_shared<ConvertFlags>();
  convert->add_option("inputs", flags->inputs, "TABLE.csv, or OUT.h5 NAME=FILES ...")->required();
  convert->add_option(
      "--split", flags->split,
      std::string("Shares of the rows, as train=0.8,test=0.2 (default of a table: ") + kAllSplits +
          ")");
  convert->add_option("--seed", flags->output.seed, "Of the split")->capture_default_str();
  convert->add_option("--labels", flags->csv.labels_name, "The column of classes")
      ->capture_default_str();
  convert->add_option("--shards", flags->output.shards, "Files a split, <name>-0-of-N.h5 and so on")
      ->capture_default_str();
  convert->add_option("--gzip", flags->output.gzip,
                      "Compress, level 1 to 9; a checksum of every chunk is stored too");
  convert->add_option(
      "--chunk-rows", flags->output.chunk_rows,
      "Rows of a chunk; a row is read by reading its chunk (default: none, with --gzip 64 KiB)");
  auto* table = "Of a table";
  convert->add_option("--name", flags->csv.name, "What the files are called")->group(table);
  convert->add_option("--out", flags->out, "Folder for <name>-<split>.h5 (default: this one)")
      ->group(table);
  convert->add_option("--shape", flags->shape, "Of one row's inputs, as 1,8,8 (default: flat)")
      ->group(table);
  convert
      ->add_option(
          "--inputs", flags->inputs_name,
          "What the inputs' dataset is called (default: images with --shape, else features)")
      ->group(table);
  convert->add_flag("--header", flags->csv.header, "Skip the first line")->group(table);
  convert->footer(kConvertHelp);
  convert->callback(
      [&context, flags] { context.run = [&context, flags] { return Convert(context, *flags); }; });
}

}  // namespace muster::cli

#include <flatbuffers/flatbuffers.h>

#include <bit>
#include <cstring>
#include <utility>

#include "runtime/base/check.h"
#include "tracker/transfer/table.h"

/// Arrow's IPC file, in order:
///   1. "ARROW1" and two zero bytes
///   2. messages: FF FF FF FF, the length of the metadata, the metadata (a flatbuffer of Message.fbs, padded to
///      8), the body: first the schema, which has none, then the record batches
///   3. FF FF FF FF 00 00 00 00: no more messages
///   4. the footer (File.fbs): the schema again and where each batch lies; its length; "ARROW1"
/// A batch's body has for each column its validity bits, for a text the offsets, and the values, each padded to 8.
///
/// The tables of Schema.fbs, Message.fbs and File.fbs are written by the numbers of their fields, so that no
/// compiler of flatbuffers is needed; they are fixed for ever, as the format promises.

namespace muster::tracker {

namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::voffset_t;

static_assert(std::endian::native == std::endian::little, "Arrow's buffers are little-endian here");

constexpr std::string_view kMagic = "ARROW1";
constexpr std::int16_t kVersion5 = 4;      // MetadataVersion.V5
constexpr std::uint8_t kSchemaHeader = 1;  // MessageHeader.Schema
constexpr std::uint8_t kBatchHeader = 3;   // MessageHeader.RecordBatch
constexpr std::size_t kAlign = 8;

/// The place of field `index` of a table, as flatbuffers counts them.
constexpr voffset_t Slot(int index) { return static_cast<voffset_t>(4 + 2 * index); }

// Structs of Message.fbs and File.fbs.
struct FieldNode {
  std::int64_t length, null_count;
};
struct Buffer {
  std::int64_t offset, length;
};
struct Block {
  std::int64_t offset;
  std::int32_t metadata_length, padding;
  std::int64_t body_length;
};

void PadTo(std::string& out, std::size_t align) {
  out.append((align - out.size() % align) % align, '\0');
}

template <typename Number>
void AppendBytes(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// The rows of one column since the last batch.
struct ColumnRows {
  std::string name;
  ColumnType type = ColumnType::kText;
  std::vector<bool> valid;
  std::int64_t nulls = 0;
  std::string offsets, values;

  void Add(const Cell& cell) {
    const bool null = std::holds_alternative<std::monostate>(cell);
    valid.push_back(!null);
    nulls += null ? 1 : 0;
    switch (type) {
      case ColumnType::kText:
        if (!null) values += std::get<std::string_view>(cell);
        AppendBytes(offsets, static_cast<std::int32_t>(values.size()));
        break;
      case ColumnType::kInteger:
        AppendBytes(values, null ? std::int64_t{0} : std::get<std::int64_t>(cell));
        break;
      case ColumnType::kNumber:
        AppendBytes(values, null ? 0.0 : std::get<double>(cell));
        break;
    }
  }

  /// Appends the buffers to `body`, and says in `buffers` where.
  void MoveTo(std::string& body, std::vector<Buffer>& buffers) {
    const auto append = [&](std::string_view bytes) {
      buffers.push_back(
          {static_cast<std::int64_t>(body.size()), static_cast<std::int64_t>(bytes.size())});
      body += bytes;
      PadTo(body, kAlign);
    };
    std::string bits((valid.size() + 7) / 8, '\0');
    for (std::size_t i = 0; i < valid.size(); ++i) {
      if (valid[i]) bits[i / 8] = static_cast<char>(bits[i / 8] | (1 << (i % 8)));
    }
    append(nulls == 0 ? std::string_view() : bits);
    if (type == ColumnType::kText) append(std::string(sizeof(std::int32_t), '\0') + offsets);
    append(values);
    valid.clear();
    offsets.clear();
    values.clear();
    nulls = 0;
  }
};

/// The type of a column: its number in the union Type, and its table.
std::pair<std::uint8_t, Offset<void>> TypeOf(FlatBufferBuilder& builder, ColumnType type) {
  const auto start = builder.StartTable();
  std::uint8_t number = 5;  // Utf8, without fields
  if (type == ColumnType::kInteger) {
    number = 2;  // Int: bitWidth, is_signed
    builder.AddElement<std::int32_t>(Slot(0), 64, 0);
    builder.AddElement<std::uint8_t>(Slot(1), 1, 0);
  } else if (type == ColumnType::kNumber) {
    number = 3;  // FloatingPoint: precision
    builder.AddElement<std::int16_t>(Slot(0), 2, 0);
  }
  return {number, Offset<void>(builder.EndTable(start))};
}

Offset<void> FieldOf(FlatBufferBuilder& builder, const ColumnRows& column) {
  const auto name = builder.CreateString(column.name);
  const auto [number, type] = TypeOf(builder, column.type);
  const auto children = builder.CreateVector(std::vector<Offset<void>>());
  const auto start = builder.StartTable();
  builder.AddOffset(Slot(0), name);
  builder.AddElement<std::uint8_t>(Slot(1), 1, 0);  // nullable
  builder.AddElement<std::uint8_t>(Slot(2), number, 0);
  builder.AddOffset(Slot(3), type);
  builder.AddOffset(Slot(5), children);
  return Offset<void>(builder.EndTable(start));
}

Offset<void> SchemaOf(FlatBufferBuilder& builder, const std::vector<ColumnRows>& columns) {
  std::vector<Offset<void>> fields;
  fields.reserve(columns.size());
  for (const ColumnRows& column : columns) fields.push_back(FieldOf(builder, column));
  const auto list = builder.CreateVector(fields);
  const auto start = builder.StartTable();
  builder.AddOffset(Slot(1), list);  // 0, the byte order, is little-endian where it is left out
  return Offset<void>(builder.EndTable(start));
}

/// A message as it stands in the file, without its body.
std::string Message(FlatBufferBuilder& builder, std::uint8_t kind, Offset<void> header,
                    std::size_t body_length) {
  const auto start = builder.StartTable();
  builder.AddElement<std::int64_t>(Slot(3), static_cast<std::int64_t>(body_length), 0);
  builder.AddOffset(Slot(2), header);
  builder.AddElement<std::int16_t>(Slot(0), kVersion5, 0);
  builder.AddElement<std::uint8_t>(Slot(1), kind, 0);
  builder.Finish(Offset<void>(builder.EndTable(start)));
  std::string metadata(reinterpret_cast<const char*>(builder.GetBufferPointer()),
                       builder.GetSize());
  PadTo(metadata, kAlign);
  std::string out;
  AppendBytes(out, std::uint32_t{0xFFFFFFFF});
  AppendBytes(out, static_cast<std::int32_t>(metadata.size()));
  return out + metadata;
}

class ArrowWriter final : public TableWriter {
 public:
  explicit ArrowWriter(std::span<const Column> columns) {
    for (const Column& column : columns) {
      columns_.push_back({.name = std::string(column.name), .type = column.type});
    }
    out_ = kMagic;
    PadTo(out_, kAlign);
    FlatBufferBuilder builder;
    const auto schema = SchemaOf(builder, columns_);
    out_ += Message(builder, kSchemaHeader, schema, 0);
  }

  void Add(std::span<const Cell> row) override {
    MUSTER_CHECK(row.size() == columns_.size(), "as many cells as columns");
    for (std::size_t i = 0; i < row.size(); ++i) columns_[i].Add(row[i]);
    ++rows_;
  }

  [[nodiscard]] std::size_t pending() const override {
    std::size_t bytes = out_.size();
    for (const ColumnRows& column : columns_) {
      bytes += column.values.size() + column.offsets.size();
    }
    return bytes;
  }

  std::string Take() override {
    if (rows_ > 0) AddBatch();
    written_ += out_.size();
    return std::exchange(out_, {});
  }

  std::string Finish() override {
    std::string end = Take();
    AppendBytes(end, std::uint32_t{0xFFFFFFFF});
    AppendBytes(end, std::int32_t{0});
    FlatBufferBuilder builder;
    const auto schema = SchemaOf(builder, columns_);
    const auto batches = builder.CreateVectorOfStructs(blocks_);
    const auto start = builder.StartTable();
    builder.AddOffset(Slot(1), schema);
    builder.AddOffset(Slot(3), batches);  // 2, the dictionaries: none
    builder.AddElement<std::int16_t>(Slot(0), kVersion5, 0);
    builder.Finish(Offset<void>(builder.EndTable(start)));
    end.append(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
    AppendBytes(end, static_cast<std::int32_t>(builder.GetSize()));
    return end += kMagic;
  }

 private:
  void AddBatch() {
    std::vector<FieldNode> nodes;
    std::vector<Buffer> buffers;
    std::string body;
    for (ColumnRows& column : columns_) {
      nodes.push_back({rows_, column.nulls});
      column.MoveTo(body, buffers);
    }
    FlatBufferBuilder builder;
    const auto node_list = builder.CreateVectorOfStructs(nodes);
    const auto buffer_list = builder.CreateVectorOfStructs(buffers);
    const auto start = builder.StartTable();
    builder.AddElement<std::int64_t>(Slot(0), rows_, 0);
    builder.AddOffset(Slot(1), node_list);
    builder.AddOffset(Slot(2), buffer_list);
    const Offset<void> batch(builder.EndTable(start));
    const std::string head = Message(builder, kBatchHeader, batch, body.size());
    blocks_.push_back({static_cast<std::int64_t>(written_ + out_.size()),
                       static_cast<std::int32_t>(head.size()), 0,
                       static_cast<std::int64_t>(body.size())});
    out_ += head;
    out_ += body;
    rows_ = 0;
  }

  std::vector<ColumnRows> columns_;
  std::int64_t rows_ = 0;
  std::string out_;
  std::size_t written_ = 0;  // bytes taken before out_
  std::vector<Block> blocks_;
};

}  // namespace

std::unique_ptr<TableWriter> MakeArrowWriter(std::span<const Column> columns) {
  return std::make_unique<ArrowWriter>(columns);
}

}  // namespace muster::tracker

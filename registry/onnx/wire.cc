#include "registry/onnx/wire.h"

#include <bit>
#include <cstring>

namespace muster::onnx {
namespace {

void AppendVarint(std::uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

std::uint64_t LittleEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  return value;
}

/// Takes a varint off the front of `rest`; answers what is wrong with it, or null.
const char* TakeVarint(std::string_view& rest, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest.empty()) return "truncated number";
    const auto byte = static_cast<unsigned char>(rest.front());
    if (shift == 63 && byte > 1) break;
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return nullptr;
  }
  return "number longer than 64 bits";
}

}  // namespace

void WireWriter::Key(int field, WireKind kind) {
  AppendVarint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(kind), out_);
}

void WireWriter::Int(int field, std::int64_t value) {
  Key(field, WireKind::kVarint);
  AppendVarint(static_cast<std::uint64_t>(value), out_);
}

void WireWriter::Float(int field, float value) {
  Key(field, WireKind::kFixed32);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) out_.push_back(static_cast<char>(bits >> shift));
}

void WireWriter::Bytes(int field, std::string_view value) {
  Key(field, WireKind::kBytes);
  AppendVarint(value.size(), out_);
  out_.append(value);
}

void WireWriter::Text(int field, std::string_view value) {
  if (!value.empty()) Bytes(field, value);
}

void WireWriter::Borrow(int field, const TensorBytes& value) {
  Key(field, WireKind::kBytes);
  AppendVarint(value.size(), out_);
  splices_.push_back({out_.size(), &value});
  borrowed_ += value.size();
}

std::size_t WireWriter::Begin(int field) {
  Key(field, WireKind::kBytes);
  begins_.push_back(out_.size());
  return size();
}

void WireWriter::End(std::size_t begin) {
  // The length stands before what it measures, in as few bytes as it needs; moving the message once
  // is cheaper than measuring it beforehand.
  std::string length;
  AppendVarint(size() - begin, length);
  out_.insert(begins_.back(), length);
  for (auto s = splices_.rbegin(); s != splices_.rend() && s->at > begins_.back(); ++s) {
    s->at += length.size();
  }
  begins_.pop_back();
}

Status WireWriter::ForEachPiece(const std::function<Status(std::string_view)>& visit) const {
  std::size_t done = 0;
  for (const Splice& splice : splices_) {
    MUSTER_RETURN_IF_ERROR(visit(std::string_view(out_).substr(done, splice.at - done)));
    MUSTER_RETURN_IF_ERROR(splice.bytes->Visit(visit));
    done = splice.at;
  }
  return visit(std::string_view(out_).substr(done));
}

std::string WireWriter::Take() const {
  std::string bytes;
  bytes.reserve(size());
  const Status appended = ForEachPiece([&](std::string_view piece) {
    bytes += piece;
    return Ok();
  });
  MUSTER_CHECK(appended.ok(), "appending to a string has no error");
  return bytes;
}

float WireField::Float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(number)); }

Error WireReader::Bad(std::string_view what) const {
  return Corrupt(std::string(what) + " at byte " + std::to_string(size_ - rest_.size()) + " of " +
                 std::to_string(size_));
}

Result<std::uint64_t> WireReader::Varint() {
  std::uint64_t value = 0;
  if (const char* wrong = TakeVarint(rest_, value)) return Bad(wrong);
  return value;
}

Result<WireField> WireReader::Next() {
  MUSTER_ASSIGN_OR_RETURN(const std::uint64_t key, Varint());
  if (key >> 3 == 0 || key >> 3 >= (1u << 29)) return Bad("bad field number");
  WireField field{.field = static_cast<int>(key >> 3), .kind = static_cast<WireKind>(key & 7)};
  std::uint64_t length = 0;
  switch (field.kind) {
    case WireKind::kVarint: {
      MUSTER_ASSIGN_OR_RETURN(field.number, Varint());
      return field;
    }
    case WireKind::kFixed64:
      length = 8;
      break;
    case WireKind::kFixed32:
      length = 4;
      break;
    case WireKind::kBytes: {
      MUSTER_ASSIGN_OR_RETURN(length, Varint());
      break;
    }
    default:
      return Bad("field " + std::to_string(field.field) + " of an unknown kind");
  }
  if (length > rest_.size()) return Bad("truncated field " + std::to_string(field.field));
  field.bytes = rest_.substr(0, length);
  rest_.remove_prefix(length);
  if (field.kind != WireKind::kBytes) field.number = LittleEndian(field.bytes);
  return field;
}

Status AppendInts(const WireField& field, std::vector<std::int64_t>& out) {
  if (field.kind == WireKind::kVarint) {
    out.push_back(field.Int());
    return Ok();
  }
  if (field.kind != WireKind::kBytes) return Corrupt("a list of integers has fixed-width elements");

  for (std::string_view rest = field.bytes; !rest.empty();) {
    std::uint64_t value = 0;
    if (const char* wrong = TakeVarint(rest, value)) {
      return Corrupt(std::string(wrong) + " in a packed list of integers");
    }
    out.push_back(static_cast<std::int64_t>(value));
  }
  return Ok();
}

Status AppendFloats(const WireField& field, std::vector<float>& out) {
  if (field.kind == WireKind::kFixed32) {
    out.push_back(field.Float());
    return Ok();
  }
  if (field.kind != WireKind::kBytes || field.bytes.size() % 4 != 0) {
    return Corrupt("a list of floats is not a row of four-byte values");
  }
  for (std::size_t i = 0; i < field.bytes.size(); i += 4) {
    out.push_back(
        std::bit_cast<float>(static_cast<std::uint32_t>(LittleEndian(field.bytes.substr(i, 4)))));
  }
  return Ok();
}

}  // namespace muster::onnx

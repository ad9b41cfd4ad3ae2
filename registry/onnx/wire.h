#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/onnx/tensor_bytes.h"
#include "runtime/base/result.h"

/// Protobuf's wire format (protobuf.dev/programming-guides/encoding): a message is a row of fields,
/// each a key (number << 3 | kind) and a value. Private to registry/onnx.

namespace muster::onnx {

enum class WireKind { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Builds one message, depth first: Begin, fields of the inner message, End. Bytes given to Borrow
/// are not copied.
class WireWriter {
 public:
  void Int(int field, std::int64_t value);
  void Float(int field, float value);
  void Bytes(int field, std::string_view value);
  /// Bytes that are not copied, nor made before they are written; `value` lives as long as this.
  void Borrow(int field, const TensorBytes& value);
  /// Bytes, unless `value` is empty, which is the default and needs no room.
  void Text(int field, std::string_view value);
  /// Opens an inner message; give the answer, its size() then, to End.
  std::size_t Begin(int field);
  void End(std::size_t begin);

  [[nodiscard]] std::size_t size() const { return out_.size() + borrowed_; }
  /// The message, piece by piece, until `visit` answers an error.
  Status ForEachPiece(const std::function<Status(std::string_view)>& visit) const;
  [[nodiscard]] std::string Take() const;  ///< the message in one piece

 private:
  struct Splice {
    std::size_t at;  ///< in out_
    const TensorBytes* bytes;
  };
  void Key(int field, WireKind kind);
  std::string out_;
  std::vector<Splice> splices_;
  std::size_t borrowed_ = 0;
  std::vector<std::size_t> begins_;  ///< in out_, of the messages that are open
};

/// A field as read: `number` for varints and fixed values (its bits), `bytes` for the rest.
struct WireField {
  int field = 0;
  WireKind kind = WireKind::kVarint;
  std::uint64_t number = 0;
  std::string_view bytes;

  [[nodiscard]] std::int64_t Int() const { return static_cast<std::int64_t>(number); }
  [[nodiscard]] float Float() const;
};

/// Reads one message's fields in order; views into the bytes given, which must outlive it.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes), size_(bytes.size()) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  /// kCorrupt on a truncated value, a number longer than 64 bits, field 0, or a group (kinds 3 and
  /// 4).
  Result<WireField> Next();

 private:
  Result<std::uint64_t> Varint();
  [[nodiscard]] Error Bad(std::string_view what) const;
  std::string_view rest_;
  std::size_t size_;
};

/// Appends a repeated integer or fixed field, packed or not, to `out`. kCorrupt when it is neither.
Status AppendInts(const WireField& field, std::vector<std::int64_t>& out);
Status AppendFloats(const WireField& field, std::vector<float>& out);

}  // namespace muster::onnx

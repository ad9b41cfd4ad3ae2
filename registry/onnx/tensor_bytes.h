#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace muster::onnx {

/// A string that may borrow: the bytes of a tensor, which lie in memory of their own, or in a
/// framework's tensor or a mapped file that is kept for as long as somebody borrows from it. A copy
/// of borrowed bytes borrows too. Or they are made when they are wanted: what a pass makes of a large
/// weight need not lie beside it. Writing copies either first, so anything that is not const may cost
/// that; threads may share a const one.
class TensorBytes {
 public:
  TensorBytes() = default;
  TensorBytes(std::string own) : own_(std::move(own)) {}  // NOLINT: a string is one
  /// `bytes` stay as they are for as long as `owner` lives, which is not null.
  static TensorBytes Borrow(std::string_view bytes, std::shared_ptr<const void> owner) {
    TensorBytes borrowed;
    borrowed.view_ = bytes;
    borrowed.owner_ = std::move(owner);
    return borrowed;
  }

  /// `size` bytes that `make` answers, always the same and on any thread. Reading them keeps them;
  /// Visit does not.
  static TensorBytes Later(std::size_t size, std::function<std::string()> make) {
    TensorBytes later;
    later.later_ = std::make_shared<Deferred>();
    later.later_->size = size;
    later.later_->make = std::move(make);
    return later;
  }

  [[nodiscard]] bool borrowed() const { return owner_ != nullptr || later_ != nullptr; }
  [[nodiscard]] std::string_view view() const {
    if (later_) return later_->Kept();
    return owner_ ? view_ : std::string_view(own_);
  }
  /// What `use` answers, given the bytes for as long as it runs.
  template <typename Use>
  auto Visit(const Use& use) const {
    if (!later_) return use(view());
    const std::string made = later_->make();
    return use(std::string_view(made));
  }
  operator std::string_view() const { return view(); }  // NOLINT: to be read like a string
  [[nodiscard]] const char* data() const { return view().data(); }
  [[nodiscard]] std::size_t size() const { return later_ ? later_->size : view().size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  char operator[](std::size_t i) const { return view()[i]; }
  [[nodiscard]] auto begin() const { return view().begin(); }
  [[nodiscard]] auto end() const { return view().end(); }
  [[nodiscard]] std::string_view substr(std::size_t from, std::size_t count) const {
    return view().substr(from, count);
  }

  /// A part, borrowed where these are.
  [[nodiscard]] TensorBytes Slice(std::size_t from, std::size_t count) const {
    const std::string_view part = view().substr(from, count);
    if (later_) return Borrow(part, later_);
    return owner_ ? Borrow(part, owner_) : TensorBytes(std::string(part));
  }

  /// The bytes as a string to change.
  std::string& Own() {
    if (borrowed()) {
      own_ = view();
      owner_.reset();
      later_.reset();
    }
    return own_;
  }
  char* data() { return Own().data(); }
  char& operator[](std::size_t i) { return Own()[i]; }
  void reserve(std::size_t size) { Own().reserve(size); }
  void resize(std::size_t size) { Own().resize(size); }
  void pop_back() { Own().pop_back(); }
  void push_back(char byte) { Own().push_back(byte); }
  void assign(const char* bytes, std::size_t size) { Own().assign(bytes, size); }
  void append(const char* bytes, std::size_t size) { Own().append(bytes, size); }
  void append(std::string_view bytes, std::size_t from = 0, std::size_t count = std::string::npos) {
    Own().append(bytes, from, count);
  }

  friend bool operator==(const TensorBytes& a, const TensorBytes& b) {
    return a.view() == b.view();
  }
  friend bool operator==(const TensorBytes& a, const std::string& b) { return a.view() == b; }

 private:
  struct Deferred {
    std::string_view Kept() {
      std::call_once(once, [this] { kept = make(); });
      return kept;
    }
    std::size_t size = 0;
    std::function<std::string()> make;
    std::once_flag once;
    std::string kept;
  };

  std::string own_;
  std::string_view view_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<Deferred> later_;  ///< both null: own_ counts
};

}  // namespace muster::onnx

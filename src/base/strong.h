#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace tidegate {

/// A value of its own type: an Lsn, an Offset and a Xid hold the same integer and don't convert into each
/// other. Ordered and hashable like its representation; `value()` is the only way out.
template <class Tag, class Rep>
class Strong {
 public:
  using Representation = Rep;
  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }
  /// The value that follows in the order.
  [[nodiscard]] constexpr Strong next() const { return Strong(value_ + 1); }
  constexpr auto operator<=>(const Strong&) const = default;

 private:
  Rep value_{};
};

}  // namespace tidegate

template <class Tag, class Rep>
struct std::hash<tidegate::Strong<Tag, Rep>> {
  std::size_t operator()(const tidegate::Strong<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};

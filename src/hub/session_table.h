#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace tidegate::hub {

/// Something a session, found by its id without hashing: the lower half of an id is a row here, the upper
/// half says whose turn with that row it is. One thread.
template <class T>
class SessionTable {
 public:
  static constexpr int kRowBits = 32;

  /// Null where there is no such session, or no longer.
  [[nodiscard]] T* find(SessionId id) {
    const std::size_t row = row_of(id);
    return row < rows_.size() && rows_[row].id == id ? &rows_[row].value : nullptr;
  }
  void put(SessionId id, T value) {
    if (row_of(id) >= rows_.size()) rows_.resize(row_of(id) + 1);
    rows_[row_of(id)] = {id, std::move(value)};
  }
  void erase(SessionId id) {
    if (find(id) != nullptr) rows_[row_of(id)] = {};
  }
  /// In no order that means anything. None may come or go meanwhile.
  template <class Each>
  void for_each(Each each) {
    for (Row& row : rows_) {
      if (row.id != SessionId()) each(row.value);
    }
  }

 private:
  struct Row {
    SessionId id;  // 0: nobody's
    T value{};
  };
  static std::size_t row_of(SessionId id) { return static_cast<std::uint32_t>(id.value()); }

  std::vector<Row> rows_;
};

/// Gives ids out, whose rows are used again and which are not. One thread.
class SessionIds {
 public:
  SessionId take() {
    std::uint64_t row = rows_;
    if (free_.empty()) {
      ++rows_;
    } else {
      row = free_.back();
      free_.pop_back();
    }
    return SessionId(++turns_ << SessionTable<int>::kRowBits | row);
  }
  void give_back(SessionId id) { free_.push_back(static_cast<std::uint32_t>(id.value())); }

 private:
  std::uint64_t turns_ = 0;  // sessions so far: 2^32 of them in one process's life
  std::uint64_t rows_ = 0;
  std::vector<std::uint32_t> free_;
};

}  // namespace tidegate::hub

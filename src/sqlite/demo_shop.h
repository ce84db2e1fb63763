#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "base/result.h"
#include "sqlite/connection.h"

namespace tidegate::sqlite {

/// The shop that `tidegate demo` shows: one table, `orders`, in a SQLite file, that changes by itself. It
/// writes through a connection of its own, as any other program would. Any thread.
class DemoShop {
 public:
  /// Makes the file and fills the table where they are missing. `seed` decides what is in it and what
  /// happens.
  static Result<std::unique_ptr<DemoShop>> open(const std::string& path, std::uint32_t seed = 1);

  /// One small change: an order comes, moves on or goes. Between 30 and 60 rows stay. The orders of people
  /// who are not the shop's customers are left alone.
  Status step();

  /// What the page's buttons do. `add` gives the new order's id; a customer or product that is empty or
  /// longer than 80 bytes, or a quantity outside of 1 to 99, is `invalid`. A product that is not in the shop
  /// costs 10.
  Result<std::int64_t> add(const std::string& customer, const std::string& product, std::int64_t quantity);
  /// new, paid, packed, shipped, delivered; then new again. `not_found` where there is no such order.
  Status advance(std::int64_t id);
  Status remove(std::int64_t id);

 private:
  DemoShop(std::unique_ptr<Connection> connection, std::uint32_t seed)
      : connection_(std::move(connection)), random_(seed) {}
  Status seed();
  Status change(const std::string& sql, std::int64_t id);
  Result<std::int64_t> insert(const std::string& customer, const std::string& product, std::int64_t quantity,
                              const std::string& status, const std::string& created);
  Result<std::int64_t> random_order(const std::string& where);
  std::size_t pick(std::size_t below) { return random_() % below; }

  std::mutex mutex_;  // guards all below
  std::unique_ptr<Connection> connection_;
  std::mt19937 random_;
};

}  // namespace tidegate::sqlite

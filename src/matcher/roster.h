#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "matcher/netting.h"
#include "matcher/predicate_index.h"
#include "source/source.h"

namespace tidegate::matcher {

/// A query that is being matched.
struct Matched {
  std::string key;  ///< the routing key
  Partition partition;
  Activation activation;
  /// Bound to the shape that the stream has now. Its canonical form and hash are those that were registered:
  /// one that can't keep them is unbound.
  std::shared_ptr<const query::Query> query;
};

/// What a transaction did to one query.
struct Effect {
  const Matched* matched = nullptr;
  Net net;
  /// It can't be told row by row: the query is to be reset. The reason, for the record.
  std::string reset;
};

/// What a table's new shape did to its queries.
struct Reshaped {
  struct Unbound {
    std::string key;
    Activation activation;
    std::string message;
  };
  std::vector<Unbound> unbound;  ///< removed from the roster
  /// Go on, but their rows are told apart by other columns, or a column that they name is another one of the
  /// same name, which may have other values.
  std::vector<Matched> replaced;
};

/// The queries that are matched in this reign, and the index over them. It keeps all queries of a table bound
/// to one shape, the one that the stream's rows have. Pure; one thread.
class Roster {
 public:
  /// `netting_bytes_max` bounds what the nets of one transaction hold together: above it the queries with the
  /// largest are to be reset, until half of it is free again.
  explicit Roster(std::size_t netting_bytes_max = std::size_t{64} << 20)
      : netting_bytes_max_(netting_bytes_max) {}

  /// Binds a registered query, to the stream's shape of its table where that is known to differ from the
  /// catalogue's.
  [[nodiscard]] Result<std::shared_ptr<const query::Query>> bind(const std::string& canonical,
                                                                 const query::Catalogue& catalogue);
  const Matched& add(Matched matched);
  void remove(const std::string& key);
  [[nodiscard]] const Matched* find(const std::string& key) const;
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }
  [[nodiscard]] std::vector<std::string> keys() const;

  /// The shape that the table's queries are bound to; null where it has none.
  [[nodiscard]] std::shared_ptr<const query::TableSchema> shape(std::uint32_t relation) const {
    return index_.shape(relation);
  }
  /// The relations that have queries, in no order.
  [[nodiscard]] std::vector<std::uint32_t> relations() const { return index_.relations(); }
  /// The table's queries that name one of the columns, in projection, key or conditions; all of them where
  /// none is given. They are not moved until the roster changes.
  [[nodiscard]] std::vector<const Matched*> naming(std::uint32_t relation,
                                                   const std::vector<std::string>& columns) const;
  /// Binds the table's queries to its new shape.
  Reshaped reshape(const std::shared_ptr<const query::TableSchema>& table);

  struct Tally {
    std::size_t evaluations = 0;
    std::size_t changes = 0;        ///< of tables with queries
    std::size_t given_up = 0;       ///< queries to be reset because the netting had reached its bound
    std::size_t netting_bytes = 0;  ///< the most that the nets held
  };
  /// The effects of a transaction, in the order in which queries were touched; the transaction must outlive
  /// them. `reshaped` tells what a shape that changed inside it did; effects on unbound queries are left out.
  /// An Error
  /// (`fatal`) where the transaction's changes can't be read.
  Result<std::vector<Effect>> match(const source::Transaction& transaction, Tally& tally,
                                    std::vector<Reshaped>& reshaped);

 private:
  class Matching;
  bool fits(const std::shared_ptr<const query::TableSchema>& table);

  const std::size_t netting_bytes_max_;
  std::unordered_map<QueryNumber, Matched> matched_;
  std::unordered_map<std::string_view, QueryNumber> by_key_;  // the keys lie in `matched_`
  query::Projections projections_;
  std::uint64_t last_number_ = 0;
  PredicateIndex index_;
  // By relation: the shape last found to be that of the queries, so that most changes compare a pointer.
  std::unordered_map<std::uint32_t, std::shared_ptr<const query::TableSchema>> fitting_;
};

}  // namespace tidegate::matcher

#include "query/bind.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/bind_condition.h"
#include "query/normal_form.h"
#include "query/text_left.h"

namespace tidegate::query {
namespace {

Error invalid(std::string message) {
  return {Fault::invalid, std::move(message)};
}

Error untold(const TableSchema& table, const std::string& what) {
  return {Fault::denied,
          fmt::format("table {} has the replica identity {}: {}; an operator can type {}",
                      in_quotes(table.qualified()), table.replica_identity, what, table.identity_remedy)};
}

Status check_table(const TableSchema& table) {
  if (!table.refusal.empty()) return Error{Fault::denied, table.refusal};
  if (table.key.empty()) {
    return Error{Fault::denied,
                 fmt::format("table {} can't be subscribed to: it has no primary key, and its rows could "
                             "not be told apart",
                             in_quotes(table.qualified()))};
  }
  for (const int part : table.key) {
    if (table.columns[static_cast<std::size_t>(part)].old_told) continue;
    return untold(table, "its changes don't tell which row they are of");
  }
  return {};
}

/// The first column of the condition whose old value changes don't tell; none: -1.
int untold_column(const TableSchema& table, const Condition& condition) {
  for (const int column : {condition.column, condition.other}) {
    if (column >= 0 && !table.columns[static_cast<std::size_t>(column)].old_told) return column;
  }
  for (int column = 0; condition.terms() && column < static_cast<int>(table.columns.size()); ++column) {
    if (!table.columns[static_cast<std::size_t>(column)].old_told && names_column(condition, column))
      return column;
  }
  for (const Condition& child : condition.children) {
    if (const int column = untold_column(table, child); column >= 0) return column;
  }
  return -1;
}

/// Rule 25: whether changes tell what must be known of old rows. Whether an old row was in the result, which
/// needs the columns of conditions; and the values that a new row takes over from it.
Status check_identity(const Query& query) {
  const TableSchema& table = query.table();
  for (const Condition& condition : query.where()) {
    const int column = untold_column(table, condition);
    if (column < 0) continue;
    return untold(table, fmt::format("a change does not tell the old value of {}, which a condition names",
                                     in_quotes(table.columns[static_cast<std::size_t>(column)].name)));
  }
  for (const int column : query.columns()) {
    const ColumnSchema& shown = table.columns[static_cast<std::size_t>(column)];
    if (shown.old_told || !shown.left_out) continue;
    return untold(table, fmt::format("an update that leaves {} as it is does not tell its value where that "
                                     "is large, and it is to be shown",
                                     in_quotes(shown.name)));
  }
  return {};
}

}  // namespace

std::shared_ptr<Query> Binder::make() {
  struct Made final : Query {};  // whose constructor is public: one allocation, not two
  return std::make_shared<Made>();
}

Binder::Binder(std::shared_ptr<const TableSchema> table, std::size_t conditions_max, Projections* projections,
               const std::vector<bool>& hidden)
    : table_(std::move(table)),
      hidden_(hidden),
      query_(make()),
      projections_(projections),
      conditions_({*table_, hidden_}, conditions_max, projections) {}

Binder::Binder(const Query& query)
    : table_(query.table_ptr()),
      columns_(query.columns()),
      query_(make()),
      conditions_({*table_, hidden_}, kConditionsMax, nullptr) {
  query_->where_ = query.where();
}

Status Binder::check_projected(int column) const {
  const ColumnSchema& schema = table_->columns[static_cast<std::size_t>(column)];
  const bool unknown =
      schema.type == Type::other || (schema.type == Type::array && schema.element == Type::other);
  if (unknown) {
    return invalid(fmt::format("column {} can't be shown: values of type {} have no text form to rely on",
                               in_quotes(schema.name), in_quotes(schema.declared)));
  }
  if (schema.generated) {
    return invalid(
        fmt::format("column {} can't be shown: it is generated, and the database does not stream it",
                    in_quotes(schema.name)));
  }
  return {};
}

Status Binder::project(const ParsedQuery& parsed) {
  const std::vector<std::string>& names = parsed.columns;
  const TableSchema& table = *table_;
  std::vector<bool> wanted(table.columns.size(), names.empty());
  for (std::size_t i = 0; names.empty() && i < hidden_.size(); ++i) wanted[i] = !hidden_[i];
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string place = in_text(i < parsed.column_places.size() ? parsed.column_places[i] : -1);
    const int column = ColumnNames{table, hidden_}.find(names[i]);
    if (column < 0) {
      return invalid(fmt::format("table {} has no column {}{}", in_quotes(table.qualified()),
                                 in_quotes(names[i]), place));
    }
    if (auto status = check_projected(column); !status) return invalid(status.error().message + place);
    wanted[static_cast<std::size_t>(column)] = true;
  }
  for (int column : table.key) wanted[static_cast<std::size_t>(column)] = true;
  for (int column = 0; column < static_cast<int>(wanted.size()); ++column) {
    if (!wanted[static_cast<std::size_t>(column)]) continue;
    if (auto status = check_projected(column); !status) return status;
    columns_.push_back(column);
  }
  return {};
}

Status Binder::add(const ParsedCondition& condition) {
  auto bound = conditions_.bind(condition);
  if (!bound) return bound.error();
  query_->where_.push_back(std::move(*bound));
  return {};
}

Result<std::shared_ptr<const Query>> Binder::finish() {
  normalise(Op::all_of, query_->where_);
  query_->where_.shrink_to_fit();
  auto projection = std::make_shared<Projection>();
  for (int column : columns_) {
    std::string& member = projection->members.emplace_back();
    append_json_string(member, table_->columns[static_cast<std::size_t>(column)].name);
    member += ':';
  }
  projection->table = std::move(table_);
  projection->columns = std::move(columns_);
  query_->projection_ = std::move(projection);
  if (auto status = check_identity(*query_); !status) return status.error();
  if (projections_ != nullptr) query_->projection_ = projections_->shared(query_->projection_);
  const std::string canonical = query_->canonical();
  if (canonical.size() > kQueryTextMax) return Error{Fault::invalid, std::string(kTooMuchText)};
  query_->hash_ = sha256_128(canonical);
  return std::shared_ptr<const Query>(std::move(query_));
}

std::shared_ptr<const Projection> Projections::shared(std::shared_ptr<const Projection> projection) {
  const auto [begin, end] = by_relation_.equal_range(projection->table->relation);
  for (auto each = begin; each != end;) {
    const auto known = each->second.lock();
    if (!known) {
      each = by_relation_.erase(each);
      continue;
    }
    const bool same_table = known->table == projection->table || *known->table == *projection->table;
    if (same_table && known->columns == projection->columns) return known;
    ++each;
  }
  by_relation_.emplace(projection->table->relation, projection);
  return projection;
}

Result<std::shared_ptr<const Regex>> Projections::compiled(const std::string& pattern) {
  const auto found = patterns_.find(pattern);
  if (found != patterns_.end()) {
    if (auto known = found->second.lock()) return known;
  }
  auto made = Regex::compile(pattern);
  if (!made) return made;
  if (patterns_.size() >= patterns_max_) {
    std::erase_if(patterns_, [](const auto& each) { return each.second.expired(); });
    patterns_max_ = std::max(patterns_max_, 2 * patterns_.size());
  }
  patterns_[pattern] = *made;
  return made;
}

Result<std::shared_ptr<const Query>> bind_query(const ParsedQuery& parsed,
                                                std::shared_ptr<const TableSchema> table,
                                                std::size_t conditions_max, Projections* projections,
                                                const std::vector<bool>& hidden) {
  if (auto status = check_table(*table); !status) return status.error();
  Binder binder(std::move(table), conditions_max, projections, hidden);
  if (auto status = binder.project(parsed); !status) return status.error();
  for (const ParsedCondition& condition : parsed.where) {
    if (auto status = binder.add(condition); !status) return status.error();
  }
  return binder.finish();
}

Result<std::shared_ptr<const Query>> Query::bind(const ParsedQuery& parsed,
                                                 std::shared_ptr<const TableSchema> table,
                                                 const std::vector<bool>& hidden) {
  return bind_query(parsed, std::move(table), kConditionsMax, nullptr, hidden);
}

namespace {

Result<std::shared_ptr<const Query>> with(Binder& binder, std::span<const ParsedCondition> conditions) {
  for (const ParsedCondition& condition : conditions) {
    if (auto status = binder.add(condition); !status) return status.error();
  }
  return binder.finish();
}

}  // namespace

Result<std::shared_ptr<const Query>> Query::narrowed(std::span<const ParsedCondition> conditions) const {
  Binder binder(*this);
  return with(binder, conditions);
}

Status Query::check_narrowing(std::span<const ParsedCondition> conditions) const {
  Binder binder(*this);
  binder.leave_claims_open();
  const auto narrowed = with(binder, conditions);
  return narrowed ? Status() : Status(narrowed.error());
}

}  // namespace tidegate::query

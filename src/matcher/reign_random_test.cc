// The contract's C1 to C4 as far as they are the log's: over random transactions, commits that stay invisible
// for a while, registrations that come and go, and matchers that die at any moment, a reader that starts at
// an `active` with the query's result as of R and applies what the log holds above its floor, dropping what
// the fences say (rules 4, 5, 14), has after each diff exactly the query's result at that LSN, and misses
// none until `closed` or the log's end. What is confirmed is visible and in the log.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "base/testing.h"
#include "matcher/reign_testing.h"

namespace tidegate::matcher {
namespace {

using Rows = std::vector<query::Row>;
using Held = std::map<std::string, std::string>;

Held result(const query::Query& query, const Rows& table) {
  Held held;
  for (const auto& row : table) {
    if (!query.matches(row)) continue;
    std::string key, json;
    query.append_key_json(key, row);
    query.append_row_json(json, row);
    held[key] = json;
  }
  return held;
}

/// The database: every commit that ever was, what the table looked like after it, and what snapshots see of
/// it.
struct Database {
  std::mt19937_64& random;
  std::map<Lsn, Rows> history{{Lsn(100), {}}};
  std::vector<source::Transaction> commits;
  std::vector<Xid> invisible;
  std::uint64_t last_xid = 10;

  void commit() {
    Rows rows = history.rbegin()->second;
    std::vector<source::Change> changes;
    for (auto count = 1 + pick(random, 4); count > 0; --count) statement(rows, changes);
    const Lsn lsn(history.rbegin()->first.value() + 1 + pick(random, 5));
    commits.push_back(transaction(lsn.value(), ++last_xid, std::move(changes)));
    invisible.push_back(Xid(last_xid));
    history[lsn] = std::move(rows);
  }
  void statement(Rows& rows, std::vector<source::Change>& changes) {
    const int id = static_cast<int>(pick(random, 8));
    auto place =
        std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row[0] == std::to_string(id); });
    if (pick(random, 30) == 0) {
      rows.clear();
      changes.push_back(truncated());
    } else if (place == rows.end()) {
      rows.push_back(random_order(random, id));
      changes.push_back(inserted(rows.back()));
    } else if (pick(random, 3) == 0) {
      changes.push_back(removed(*place));
      rows.erase(place);
    } else {
      changes.push_back(updated(*place, random_order(random, id)));
      *place = *changes.back().new_row;
    }
  }
  source::Visibility look() {
    std::erase_if(invisible, [&](Xid) { return pick(random, 2) == 0; });
    return {{Xid(1), Xid(last_xid + 1), invisible}, history.rbegin()->first};
  }
  [[nodiscard]] bool sees(const source::Transaction& commit) const {
    return std::find(invisible.begin(), invisible.end(), *commit.xid) == invisible.end();
  }
};

/// Reads one partition as a gateway's channel of one query does.
class Reader {
 public:
  Reader(const query::Query& query, const Database& database) : query_(query), database_(database) {}

  void read(const Logged& record) {
    switch (record.headers.kind) {
      case log::Kind::active:
        // Another activation: the one before ended while nobody wanted it, and its matcher died before
        // `closed`.
        if (!open_ || activation(record) != activation_) begin(record);
        break;
      case log::Kind::closed:
        complete(std::max(floor_, *record.headers.lsn));
        open_ = false;
        break;
      case log::Kind::diff:
      case log::Kind::state:
        ASSERT_TRUE(open_) << "a diff outside an activation";
        if (*record.headers.lsn > floor_) apply(record);
        break;
      default:
        ADD_FAILURE() << "nothing else is expected of this query";
    }
  }
  /// Nothing that changed the result up to here is missing.
  void complete(Lsn lsn) const {
    if (!open_) return;
    EXPECT_EQ(held_, result(query_, at(lsn))) << query_.canonical() << " at " << lsn.value();
  }
  [[nodiscard]] int applied() const { return applied_; }

 private:
  [[nodiscard]] const Rows& at(Lsn lsn) const {
    return std::prev(database_.history.upper_bound(lsn))->second;
  }
  static std::string activation(const Logged& active) {
    return active.value.substr(0, active.value.find(','));
  }
  void begin(const Logged& active) {
    open_ = true;
    activation_ = activation(active);
    floor_ = *active.headers.lsn;
    held_ = result(query_, at(floor_));
  }
  void apply(const Logged& record) {
    complete(Lsn(record.headers.lsn->value() - 1));
    const auto diff = protocol::decode_diff(record.value);
    ASSERT_TRUE(diff);
    EXPECT_EQ(diff->query, query_.hash());
    if (record.headers.kind == log::Kind::state) held_.clear();
    for (const auto& change : diff->changes) {
      EXPECT_EQ(held_.contains(change.key), change.kind != protocol::ChangeKind::insert);
      change.kind == protocol::ChangeKind::remove ? void(held_.erase(change.key))
                                                  : void(held_[change.key] = change.row);
    }
    floor_ = *record.headers.lsn;
    complete(floor_);
    ++applied_;
  }

  const query::Query& query_;
  const Database& database_;
  bool open_ = false;
  std::string activation_;
  Lsn floor_;
  Held held_;
  int applied_ = 0;
};

class RandomReigns : public testing::TestWithParam<int> {
 protected:
  void run(std::uint64_t seed);
  void restart();
  void step(std::size_t what);
  void confirmed_is_safe();
  void read_back();

  std::mt19937_64 random_;
  World world_{3};
  Database database_{random_};
  std::map<std::string, std::shared_ptr<const query::Query>> queries_;
  std::map<std::string, bool> wanted_;
  std::map<Partition, registry::GenerationFence> fences_;
  std::unique_ptr<registry::Following> following_;
  std::unique_ptr<Reign> reign_;
  std::size_t streamed_ = 0;  // commits
};

void RandomReigns::restart() {
  reign_.reset();
  world_.registry.release();
  world_.stream.start_position_ = std::max(world_.stream.confirmed_, Lsn(100));
  const auto first = std::find_if(database_.commits.begin(), database_.commits.end(),
                                  [&](const auto& each) { return each.lsn > world_.stream.start_position_; });
  streamed_ = static_cast<std::size_t>(first - database_.commits.begin());
  reign_ = std::make_unique<Reign>(world_.parts(), Options{});
  const auto started = reign_->start();
  ASSERT_TRUE(started.ok()) << started.error().message;
}

void RandomReigns::step(std::size_t what) {
  world_.clock.advance(static_cast<int>(pick(random_, 300)));
  if (what < 30) {
    database_.commit();
  } else if (what < 60 && streamed_ < database_.commits.size()) {
    ASSERT_TRUE(reign_->handle(database_.commits[streamed_++]).ok());
  } else if (what < 70) {
    ASSERT_TRUE(reign_->handle(database_.look()).ok());
  } else if (what < 80) {
    auto query = std::next(queries_.begin(), static_cast<std::ptrdiff_t>(pick(random_, queries_.size())));
    if (std::exchange(wanted_[query->first], pick(random_, 3) > 0)) world_.leaves(1, query->first);
    if (wanted_[query->first]) world_.wants(1, query->first, query->second->canonical());
  } else if (what < 83) {
    world_.registry.hold = true;
  } else if (what < 90) {
    world_.registry.release();
  } else if (what == 90) {
    restart();
  }
  ASSERT_TRUE(reign_->settle().ok());
  ASSERT_TRUE(reign_->tick().ok());
  confirmed_is_safe();
}

void RandomReigns::confirmed_is_safe() {
  for (const auto& commit : database_.commits) {
    if (commit.lsn > world_.stream.confirmed_) break;
    ASSERT_TRUE(database_.sees(commit)) << "confirmed, but no snapshot sees it";
  }
}

void RandomReigns::read_back() {
  int applied = 0;
  for (const auto& [key, query] : queries_) {
    Reader reader(*query, database_);
    const Partition partition(static_cast<std::int32_t>(murmur2_positive(key) % 3));
    for (const auto& record : world_.logged(partition)) {
      const auto& fence = fences_.at(partition);
      if (record.offset >= fence.offset && *record.headers.generation < fence.generation) continue;
      if (record.key == key) reader.read(record);
    }
    // One that nobody wants may have ended without a word, see above.
    if (wanted_[key]) reader.complete(database_.commits.back().lsn);
    applied += reader.applied();
  }
  EXPECT_GT(applied, 50) << "else this tests nothing";
}

void RandomReigns::run(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  random_.seed(seed);
  for (int i = 0; i < 12; ++i) queries_["t/orders/" + std::to_string(i)] = random_query(random_);
  auto following = world_.registry.follow(
      [this](const registry::Entry& entry) {
        if (const auto* fence = std::get_if<registry::GenerationFence>(&entry.record))
          fences_[fence->partition] = *fence;
      },
      [] {});
  following_ = std::move(*following);
  world_.registry.append(registry::Lease{Incarnation(1), false}, {});
  ASSERT_NO_FATAL_FAILURE(restart());
  for (int i = 0; i < 1'500; ++i) {
    if (i % 5 == 0) world_.registry.append(registry::Lease{Incarnation(1), false}, {});
    ASSERT_NO_FATAL_FAILURE(step(pick(random_, 95)));
  }
  world_.registry.release();
  for (int i = 0; i < 4; ++i) ASSERT_NO_FATAL_FAILURE(step(94));  // every activation is under way or over
  database_.commit();
  while (streamed_ < database_.commits.size())
    ASSERT_TRUE(reign_->handle(database_.commits[streamed_++]).ok());
  read_back();
}

TEST_P(RandomReigns, ALogReadBackGivesEveryResultExactly) {
  run(test_seed() + std::uint64_t(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomReigns, testing::Range(0, 10));

}  // namespace
}  // namespace tidegate::matcher

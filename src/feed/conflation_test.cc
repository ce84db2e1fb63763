// Invariant: a client that gets transactions put together holds at the end what one holds that got each of
// them, and is never told of a row what contradicts what it holds (rule 26, `latest`).

#include "feed/conflation.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "base/testing.h"
#include "feed/encoder.h"
#include "feed/numbering.h"
#include "feed/testing.h"

namespace tidegate::feed {
namespace {

using protocol::ChangeKind;
using protocol::RowChange;

protocol::Diff diff(std::uint64_t lsn, std::vector<RowChange> changes) {
  return {QueryHash{}, Lsn(lsn), Xid(lsn), static_cast<std::int64_t>(lsn), std::move(changes)};
}
RowChange insert(const std::string& key, const std::string& row) {
  return {ChangeKind::insert, key, row};
}
RowChange update(const std::string& key, const std::string& row) {
  return {ChangeKind::update, key, row};
}
RowChange remove(const std::string& key) {
  return {ChangeKind::remove, key, {}};
}

std::string text(const std::vector<RowChange>& changes) {
  std::string out;
  for (const RowChange& change : changes) {
    out += change.kind == ChangeKind::insert ? '+' : change.kind == ChangeKind::update ? '~' : '-';
    out += change.key + change.row + ' ';
  }
  return out;
}
std::string conflated(std::vector<std::vector<RowChange>> transactions) {
  Conflation conflation;
  std::uint64_t lsn = 0;
  for (auto& changes : transactions) conflation.add(diff(++lsn, std::move(changes)));
  return text(std::move(conflation).take().changes);
}

TEST(ConflationTest, rule_26_of_each_row_the_last_state_is_told_as_what_it_is_for_who_holds_what_was_before) {
  EXPECT_EQ(conflated({{update("a", "1")}, {update("a", "2")}}), "~a2 ");
  EXPECT_EQ(conflated({{insert("a", "1")}, {update("a", "2")}}), "+a2 ") << "it has none of before";
  EXPECT_EQ(conflated({{insert("a", "1")}, {remove("a")}}), "") << "they cancel out";
  EXPECT_EQ(conflated({{update("a", "1")}, {remove("a")}}), "-a ");
  EXPECT_EQ(conflated({{remove("a")}, {insert("a", "2")}}), "~a2 ") << "it holds the old one";
  EXPECT_EQ(conflated({{remove("a")}, {insert("a", "2")}, {remove("a")}}), "-a ");
  EXPECT_EQ(conflated({{insert("a", "1")}, {remove("a")}, {insert("a", "3")}}), "+a3 ");
  EXPECT_EQ(conflated({{remove("a"), insert("b", "1")}, {update("b", "2")}}), "-a +b2 ") << "another key";
  EXPECT_EQ(conflated({{remove("a"), insert("b", "1")}, {remove("b"), insert("a", "2")}}), "~a2 ");
}

TEST(ConflationTest, rule_26_it_is_the_last_transaction_s_place_and_time) {
  Conflation conflation;
  conflation.add(diff(10, {insert("a", "1")}));
  conflation.add(diff(20, {remove("a")}));
  const protocol::Diff whole = std::move(conflation).take();
  EXPECT_EQ(whole.lsn, Lsn(20));
  EXPECT_EQ(whole.xid, Xid(20));
  EXPECT_EQ(whole.commit_time_us, 20);
  EXPECT_TRUE(whole.changes.empty());
}

/// Applies it, and watches that it fits.
void put_on(std::map<std::string, std::string>& rows, const std::vector<RowChange>& changes) {
  for (const RowChange& change : changes) {
    ASSERT_EQ(rows.contains(change.key), change.kind != ChangeKind::insert) << text(changes);
    if (change.kind == ChangeKind::remove) {
      rows.erase(change.key);
    } else {
      rows[change.key] = change.row;
    }
  }
}

TEST(ConflationTest, rule_26_random_stretches_come_to_the_same_rows) {
  const unsigned seed = test_seed();
  std::mt19937 random(seed);
  for (int round = 0; round < 2'000; ++round) {
    std::map<std::string, std::string> all;
    std::map<std::string, std::string> latest;
    Conflation waiting;
    const auto tell = [&] { put_on(latest, std::move(std::exchange(waiting, {})).take().changes); };
    for (std::uint64_t lsn = 1; lsn <= 20; ++lsn) {
      std::vector<RowChange> changes;
      for (int key = 0; key < 4; ++key) {
        if (random() % 2 == 0) continue;
        const std::string name(1, static_cast<char>('a' + key));
        const std::string row = std::to_string(lsn);
        if (!all.contains(name)) {
          changes.push_back(insert(name, row));
        } else {
          changes.push_back(random() % 2 == 0 ? update(name, row) : remove(name));
        }
      }
      put_on(all, changes);
      waiting.add(diff(lsn, changes));
      if (random() % 5 != 0) continue;
      tell();
      ASSERT_EQ(latest, all) << "seed " << seed << ", round " << round;
    }
    tell();
    ASSERT_EQ(latest, all) << "seed " << seed << ", round " << round;
  }
}

/// A channel's frames as a tail holds them.
class StretchTest : public testing::Test {
 protected:
  void add(const std::string& value, std::uint64_t lsn, std::uint32_t part = 0, bool last = true) {
    Frame frame;
    frame.seq = FeedSeq((batch->frames.size() + 1) * kSeqStride);
    frame.lsn = Lsn(lsn);
    frame.offset = Offset(static_cast<std::int64_t>(lsn));
    frame.part = part;
    frame.last = last;
    protocol::Deflater deflater;
    encode(*batch, frame, value, {}, nullptr, deflater);
  }
  static std::string encoded(std::uint64_t lsn, std::size_t bytes = 1) {
    return protocol::encode_diff(diff(lsn, {insert(std::to_string(lsn), std::string(bytes, 'x'))}));
  }
  [[nodiscard]] std::optional<Stretch> stretch(std::size_t from, std::size_t bytes_max = 1 << 20) const {
    return conflate(at, from, batch->frames.size(), bytes_max);
  }

  const std::shared_ptr<FrameBatch> batch = std::make_shared<FrameBatch>();
  const FrameAt at = [this](std::size_t index) -> HeldFrame {
    return {batch, static_cast<std::uint32_t>(index)};
  };
};

TEST_F(StretchTest, rule_26_a_stretch_is_of_whole_transactions_within_its_bytes) {
  for (std::uint64_t lsn = 1; lsn <= 5; ++lsn) add(encoded(lsn), lsn);
  const auto all = stretch(0);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->transactions, 5u);
  EXPECT_EQ(all->first.seq, FeedSeq(kSeqStride));
  EXPECT_EQ(all->last.seq, FeedSeq(5 * kSeqStride));
  EXPECT_EQ(all->diff.lsn, Lsn(5));
  EXPECT_EQ(all->diff.changes.size(), 5u);
  EXPECT_EQ(stretch(2)->transactions, 3u);
  const std::size_t three = 3 * (encoded(1).size() + sizeof(Frame));
  EXPECT_EQ(stretch(0, three)->transactions, 3u);
  EXPECT_FALSE(stretch(0, three / 2)) << "one alone is given as it is";
  EXPECT_FALSE(stretch(4));
}

TEST_F(StretchTest, rule_26_parts_are_joined_and_what_is_not_whole_is_left) {
  const std::string large = encoded(2, 1'000);
  add(encoded(1), 1);
  add(large.substr(0, 600), 2, 0, false);
  add(large.substr(600), 2, 1, true);
  add(encoded(3), 3);
  add(encoded(4).substr(0, 10), 4, 0, false);
  const auto found = stretch(0);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->transactions, 3u);
  EXPECT_EQ(found->last.lsn, Lsn(3));
  EXPECT_EQ(found->diff.changes.size(), 3u);
  EXPECT_FALSE(stretch(2)) << "in the middle of one nothing begins";
  EXPECT_FALSE(begins_transaction(at, 2));
}

TEST_F(StretchTest, rule_26_what_two_generations_began_and_what_is_no_diff_is_left) {
  add(encoded(1), 1);
  add(encoded(2), 2);
  const std::string large = encoded(3, 1'000);
  add(large.substr(0, 600), 3, 0, false);
  add(large.substr(0, 600), 3, 0, false);  // streamed again
  add(large.substr(600), 3, 1, true);
  add("no diff", 4);
  add(encoded(5), 5);
  EXPECT_EQ(stretch(0)->transactions, 2u);
  EXPECT_FALSE(begins_transaction(at, 3)) << "the first part was given before";
  EXPECT_FALSE(stretch(2));
  EXPECT_FALSE(stretch(3));
  EXPECT_FALSE(stretch(5));
}

}  // namespace
}  // namespace tidegate::feed

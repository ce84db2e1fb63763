// Invariants: a transaction is given whole or not at all, what an aborted subtransaction wrote is not in it,
// its memory is bounded; a change never lacks a value; what can't be is `fatal`.
#include "postgres/assembly.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "postgres/rows.h"
#include "rig/process.h"

namespace tidegate::postgres {
namespace {

using namespace std::string_literals;
using query::Row;

template <class T>
std::string number(T value) {
  std::string bytes;
  append_big_endian(bytes, value);
  return bytes;
}
std::string cell(const std::string& text) {
  return "t" + number(static_cast<std::uint32_t>(text.size())) + text;
}
std::string row(const std::string& id, const std::string& body) {
  return number(std::uint16_t{2}) + cell(id) + cell(body);
}
const std::string kUnchanged = number(std::uint16_t{2}) + cell("2") + "u";
const std::string kRelation = number(std::uint32_t{9});

std::string insert(const std::string& id, const std::string& body = "body") {
  return "I" + kRelation + "N" + row(id, body);
}
std::string relation() {
  return "R" + kRelation + "public\0t\0"s + "f" + number(std::uint16_t{0});
}
std::string begin(std::uint32_t xid, std::uint64_t lsn) {
  return "B" + number(lsn) + number(std::uint64_t{5}) + number(xid);
}
std::string start(std::uint32_t xid, bool first) {
  return "S" + number(xid) + (first ? "\1"s : "\0"s);
}
std::string abort(std::uint32_t xid, std::uint32_t subtransaction) {
  return "A" + number(xid) + number(subtransaction);
}
/// A message as it stands in a block.
std::string of(std::uint32_t xid, const std::string& message) {
  return message.substr(0, 1) + number(xid) + message.substr(1);
}
std::string word(const std::string& content) {
  return "M\1"s + number(std::uint64_t{7}) + "tidegate\0"s +
         number(static_cast<std::uint32_t>(content.size())) + content;
}

class AssemblyTest : public testing::Test {
 protected:
  AssemblyTest() { use(1 << 20); }
  void use(std::size_t memory) {
    options_.transaction_memory_bytes = memory;
    options_.spill_directory = directory_.path();
    assembly_ = std::make_unique<Assembly>(options_, probe_);
  }
  void take(const std::string& message) {
    const auto taken = assembly_->take(message, Xid(5));
    ASSERT_TRUE(taken.ok()) << taken.error().message;
    ASSERT_TRUE(*taken);
  }
  void expect_fatal(const std::string& message) {
    const auto taken = assembly_->take(message, Xid(5));
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().fault, Fault::fatal);
  }
  /// The ids of inserted rows, with `R` for each description of a table before the rows.
  static std::string ids(const Assembled& assembled) {
    std::string ids;
    for (const auto& table : assembled.tables) ids += table.described.empty() ? "" : "R";
    const Status read = assembled.spill->each([&](std::uint32_t, std::string_view bytes) -> Status {
      const auto message = decode_message(bytes);
      ids += " " + std::string(std::get<Insert>(*message).row[0].text);
      return {};
    });
    EXPECT_TRUE(read.ok());
    return ids;
  }

  rig::TemporaryDirectory directory_;
  metrics::Registry metrics_;
  Probe probe_{metrics_};
  Options options_;
  std::unique_ptr<Assembly> assembly_;
};

TEST_F(AssemblyTest, GivesATransactionThatCameWhole) {
  take(begin(7, 100));
  EXPECT_TRUE(assembly_->open());
  take(insert("1"));
  take(insert("2"));
  const auto whole = assembly_->commit(Commit{100, 120, 6});
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(ids(*whole), " 1 2");
  EXPECT_EQ(whole->xid, Xid(7));
  EXPECT_EQ(whole->changes, 2u);
  EXPECT_EQ(whole->tables.size(), 1u);
  EXPECT_FALSE(assembly_->open());
  EXPECT_EQ(assembly_->memory(), 0u);
}

TEST_F(AssemblyTest, RefusesWhatIsOutOfOrder) {
  expect_fatal(insert("1"));
  expect_fatal("E");
  expect_fatal(start(8, false));
  expect_fatal(abort(8, 8));
  EXPECT_FALSE(assembly_->commit(StreamCommit{8, {}}).ok());
  take(begin(7, 100));
  expect_fatal(begin(8, 200));
  expect_fatal(start(8, true));
  expect_fatal(abort(7, 7));
  EXPECT_FALSE(assembly_->commit(Commit{101, 120, 6}).ok()) << "another transaction's commit";
  EXPECT_TRUE(assembly_->commit(Commit{100, 120, 6}).ok());
  EXPECT_FALSE(assembly_->commit(Commit{100, 120, 6}).ok());
}

TEST_F(AssemblyTest, ForgetsWhatABrokenConnectionBegan) {
  take(start(7, true));
  take(of(7, insert("1")));
  assembly_->abandon();
  EXPECT_EQ(assembly_->begun(), 0u);
  take(start(7, true));
  take("E");
  EXPECT_EQ(ids(*assembly_->commit(StreamCommit{7, {}})), "");
}

TEST_F(AssemblyTest, rule_6_blocks_of_several_transactions_are_kept_apart) {
  take(start(7, true));
  take(of(7, relation()));
  take(of(7, insert("1")));
  take("E");
  take(start(8, true));
  take(of(8, insert("10")));
  take("E");
  take(begin(9, 100));
  take(insert("20"));
  EXPECT_EQ(ids(*assembly_->commit(Commit{100, 120, 6})), " 20");
  take(start(7, false));
  take(of(7, insert("2")));
  take("E");
  EXPECT_EQ(ids(*assembly_->commit(StreamCommit{8, {}})), " 10");
  EXPECT_EQ(ids(*assembly_->commit(StreamCommit{7, {}})), "R 1 2");
}

TEST_F(AssemblyTest, rule_6_an_aborted_subtransaction_vanishes_with_its_children_and_its_parent_stays) {
  take(start(7, true));
  take(of(7, relation()));
  take(of(7, insert("1")));
  take(of(7, word("before")));
  take(of(8, relation()));
  take(of(8, insert("2")));
  take(of(9, word("of a child")));
  take(of(9, insert("3")));
  take("E");
  take(abort(7, 9));
  take(abort(7, 8));
  take(abort(7, 10));  // nothing of it was streamed
  take(start(7, false));
  take(of(7, insert("4")));
  take("E");
  const auto whole = assembly_->commit(StreamCommit{7, {}});
  EXPECT_EQ(ids(*whole), "R 1 4");
  EXPECT_EQ(whole->changes, 2u);
  ASSERT_EQ(whole->words.size(), 1u);
  EXPECT_EQ(whole->words[0].content, "before");
}

TEST_F(AssemblyTest, rule_6_an_aborted_transaction_leaves_nothing) {
  use(1'000);
  take(start(7, true));
  for (int id = 0; id < 100; ++id) take(of(7, insert(std::to_string(id), std::string(100, 'x'))));
  take("E");
  take(abort(7, 7));
  EXPECT_EQ(assembly_->begun(), 0u);
  EXPECT_EQ(assembly_->memory(), 0u);
  EXPECT_FALSE(assembly_->commit(StreamCommit{7, {}}).ok());
}

TEST_F(AssemblyTest, rule_6_the_largest_goes_on_in_a_file_and_memory_stays_within_its_bound) {
  constexpr std::size_t kBound = std::size_t{2} << 20;
  use(kBound);
  take(start(8, true));
  take(of(8, insert("small")));
  take("E");
  take(start(7, true));
  std::size_t most = 0;
  std::string expected;
  for (int id = 0; id < 20'000; ++id) {
    take(of(7, insert(std::to_string(id), std::string(500, 'x'))));
    most = std::max(most, assembly_->memory());
    expected += " " + std::to_string(id);
  }
  take("E");
  EXPECT_LE(most, kBound);
  const auto small = assembly_->commit(StreamCommit{8, {}});
  EXPECT_FALSE(small->spill->in_file());
  const auto large = assembly_->commit(StreamCommit{7, {}});
  ASSERT_TRUE(large.ok());
  EXPECT_TRUE(large->spill->in_file());
  EXPECT_EQ(ids(*large), expected);
  EXPECT_EQ(assembly_->memory(), 0u);
}

TEST_F(AssemblyTest, rule_6_a_file_that_can_not_be_written_is_fatal) {
  options_.spill_bytes_max = 1'000'000;
  use(1'000);
  take(start(7, true));
  for (int id = 0;; ++id) {
    ASSERT_LT(id, 20'000);
    const auto taken = assembly_->take(of(7, insert(std::to_string(id), std::string(500, 'x'))), Xid(5));
    if (taken.ok()) continue;
    EXPECT_EQ(taken.error().fault, Fault::fatal);
    return;
  }
}

TEST_F(AssemblyTest, OnlyOurOwnMessagesInsideOfATransactionAreKept) {
  take(begin(7, 100));
  take(word(""));
  take("M\1"s + number(std::uint64_t{7}) + "other\0"s + number(std::uint32_t{1}) + "x");
  take(word("alter"));
  const auto whole = assembly_->commit(Commit{100, 120, 6});
  ASSERT_EQ(whole->words.size(), 1u);
  EXPECT_EQ(whole->words[0].content, "alter");
  const auto outside = assembly_->take(word("outside"), Xid(5));
  ASSERT_TRUE(outside.ok());
  EXPECT_FALSE(*outside);
}

std::shared_ptr<const query::TableSchema> table(std::string refusal = "") {
  query::TableSchema table;
  table.schema = "public";
  table.name = "t";
  table.columns.resize(2);
  table.columns[0].name = "id";
  table.columns[1].name = "body";
  table.refusal = std::move(refusal);
  return std::make_shared<const query::TableSchema>(table);
}

TEST(ChangeOf, TakesUnchangedValuesFromTheOldRow) {
  const auto change = change_of(table(), "U" + kRelation + "O" + row("1", "body") + "N" + kUnchanged);
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(*change->old_row, (Row{"1", "body"}));
  EXPECT_EQ(*change->new_row, (Row{"2", "body"}));
}

TEST(ChangeOf, RefusesARowThatLacksAValue) {
  const std::string whole = row("1", "secret");
  for (const std::string& message :
       {"I" + kRelation + "N" + kUnchanged, "U" + kRelation + "O" + kUnchanged + "N" + whole,
        "D" + kRelation + "O" + kUnchanged, "D" + kRelation + "N" + whole,
        "I" + kRelation + "N" + number(std::uint16_t{1}) + cell("1"),
        "I" + kRelation + "N" + number(std::uint16_t{3}) + cell("1") + cell("1") + cell("1"), relation(),
        "I"s}) {
    const auto change = change_of(table(), message);
    ASSERT_FALSE(change.ok());
    EXPECT_EQ(change.error().fault, Fault::fatal);
    EXPECT_EQ(change.error().message.find("secret"), std::string::npos) << "no values in errors";
  }
}

TEST(ChangeOf, rule_25_SaysNothingOfAnOldRowThatShouldHaveBeenTold) {
  const auto change = change_of(table(), "U" + kRelation + "N" + kUnchanged);
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->old_row);
  EXPECT_EQ(change->left_out, std::vector<int>{1});
}

TEST_F(AssemblyTest, ChangesOfRefusedTablesAreLeftOut) {
  take(begin(7, 100));
  take(insert("1"));
  take("I" + number(std::uint32_t{10}) + "N" + row("2", "body"));
  take("I" + number(std::uint32_t{10}) + "N" + kUnchanged);
  auto whole = assembly_->commit(Commit{100, 120, 6});
  const SpilledChanges changes(std::move(whole->spill), {table(), table("no key")}, whole->changes);
  std::vector<source::Change> given;
  ASSERT_TRUE(changes.each([&](const auto& change) { given.push_back(*change); }).ok());
  ASSERT_EQ(given.size(), 1u);
  EXPECT_EQ(*given[0].new_row, (Row{"1", "body"}));
}

}  // namespace
}  // namespace tidegate::postgres

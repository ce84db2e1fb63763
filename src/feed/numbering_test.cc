#include "feed/numbering.h"

#include <gtest/gtest.h>

namespace tidegate::feed {
namespace {

TEST(NumberingTest, a_managed_record_has_the_same_seq_whenever_it_is_read) {
  Numbering numbering(2);
  numbering.begin_again(Partition(1), Offset(40));
  EXPECT_EQ(numbering.now(Partition(1)), numbering.of(Partition(1), Offset(39)));
  numbering.read(Partition(1), Offset(40));
  EXPECT_EQ(numbering.now(Partition(1)), numbering.of(Partition(1), Offset(40)));
  EXPECT_LT(numbering.of(Partition(1), Offset(7)), numbering.of(Partition(1), Offset(8)));
  EXPECT_EQ(numbering.now(Partition(0)), FeedSeq(0)) << "another partition's order is its own";
}

TEST(NumberingTest, a_seq_says_its_record_and_one_between_two_the_first) {
  const Numbering numbering(1);
  const FeedSeq seq = numbering.of(Partition(0), Offset(7));
  EXPECT_EQ(numbering.offset_at(Partition(0), seq), Offset(7));
  EXPECT_EQ(numbering.offset_at(Partition(0), FeedSeq(seq.value() - 1)), Offset(6));
  EXPECT_EQ(numbering.offset_at(Partition(0), FeedSeq(0)), Offset(-1));
}

TEST(NumberingTest, seqs_never_fall_where_a_topic_was_made_anew) {
  Numbering numbering(1);
  numbering.begin_again(Partition(0), Offset(1'000));
  const FeedSeq before = numbering.now(Partition(0));
  numbering.begin_again(Partition(0), Offset(3));
  EXPECT_GE(numbering.of(Partition(0), Offset(0)), before);
  EXPECT_EQ(numbering.offset_at(Partition(0), numbering.now(Partition(0))), Offset(2));
  numbering.read(Partition(0), Offset(3));
  EXPECT_GT(numbering.now(Partition(0)), before);
}

TEST(NumberingTest, pass_through_counts_and_leaves_room_for_a_replay) {
  Numbering numbering(1);
  const FeedSeq first = numbering.count();
  numbering.reserve();
  EXPECT_EQ(numbering.count().value(), first.value() + Numbering::kReplayMax + kSeqStride);
}

}  // namespace
}  // namespace tidegate::feed

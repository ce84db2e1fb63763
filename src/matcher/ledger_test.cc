#include "matcher/ledger.h"

#include <gtest/gtest.h>

namespace tidegate::matcher {
namespace {

TEST(Ledger, APositionIsAcknowledgedWithTheLastRecordBeforeIt) {
  Ledger ledger(Lsn(10));
  EXPECT_EQ(ledger.acknowledged(0), Lsn(10));
  ledger.reached(3, Lsn(20));
  ledger.reached(5, Lsn(30));
  EXPECT_EQ(ledger.acknowledged(2), Lsn(10));
  EXPECT_EQ(ledger.acknowledged(4), Lsn(20));
  EXPECT_EQ(ledger.acknowledged(5), Lsn(30));
}

TEST(Ledger, TransactionsWithoutRecordsNeedNoAcknowledgement) {
  Ledger ledger(Lsn(10));
  ledger.reached(0, Lsn(20));
  ledger.reached(0, Lsn(25));
  EXPECT_EQ(ledger.acknowledged(0), Lsn(25));
  ledger.reached(1, Lsn(30));
  ledger.reached(1, Lsn(40));
  EXPECT_EQ(ledger.acknowledged(0), Lsn(25));
  EXPECT_EQ(ledger.acknowledged(1), Lsn(40));
}

TEST(Checkpoints, Rule10TheLowestCountsOnceEveryPartitionHasOne) {
  Checkpoints checkpoints(2);
  EXPECT_FALSE(checkpoints.lowest());
  checkpoints.noted(Partition(1), Lsn(50));
  EXPECT_FALSE(checkpoints.lowest());
  checkpoints.noted(Partition(0), Lsn(40));
  EXPECT_EQ(checkpoints.lowest(), Lsn(40));
  checkpoints.noted(Partition(0), Lsn(30));
  EXPECT_EQ(checkpoints.lowest(), Lsn(40)) << "an answer that came late takes nothing back";
  checkpoints.noted(Partition(0), Lsn(60));
  EXPECT_EQ(checkpoints.lowest(), Lsn(50));
}

}  // namespace
}  // namespace tidegate::matcher

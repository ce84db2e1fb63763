#pragma once

// Random tables, values and predicates over everything that the query language has, for the differential
// test. A predicate is a tree, so that it can be spelled in several ways and shrunk.

#include <random>
#include <string>
#include <vector>

namespace tidegate::postgres {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t bound) { return engine_() % bound; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class T>
  const T& of(const std::vector<T>& pool) {
    return pool[below(pool.size())];
  }
  std::mt19937& engine() { return engine_; }

 private:
  std::mt19937 engine_;
};

/// A kind of column: how it is declared, which operators it takes, values at the edges of its type. Others
/// are made up by its name.
struct Kind {
  std::string name;
  std::string declared;
  std::string element;  ///< of an array: the kind of its elements
  std::vector<std::string> pool;
  std::vector<std::string> ops;
};

const std::vector<Kind>& kinds();
/// Mostly from the pool, so that equal values meet; else anything of the type. Postgres's text form.
std::string random_value(const Kind& kind, Random& random);

/// Two columns of a kind, so that they can be compared.
struct Columns {
  const Kind* kind;
  std::string left;
  std::string right;
};

/// `AND`, `OR`, `NOT`, `IS TRUE`, … over leaves. A leaf has several spellings of one meaning.
struct Node {
  std::string op;
  std::vector<Node> children;
  std::vector<std::string> spellings;
};

/// One leaf that uses the operator on the columns.
Node random_leaf(const Columns& columns, const std::string& op, Random& random);
/// A tree in which the leaf takes part.
Node random_tree(Node leaf, const std::vector<Columns>& columns, Random& random);
/// SQL of it; `original`: each leaf's first spelling, in the tree's order; else another spelling of the same.
std::string spell(const Node& node, Random& random, bool original);

}  // namespace tidegate::postgres

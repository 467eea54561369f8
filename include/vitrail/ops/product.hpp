// The driver of the packed product, or of the two of an MLP: shares y (M, N) out among workers.
//
//   many rows   groups of rows, each through all panels, and through both products, on one worker,
//               and on those who find no group left
//   few rows    1. tiles of rows are packed; when all are
//               2. units are multiplied: panels of weights against one group of tiles, all of them
//                  as a rule; when all are
//               3. those of the second product
//
// Each element adds its products in order, or those of the two halves of a long K and then the two
// sums, on one thread as on many: the result depends on neither M nor threads nor cache sizes. Only
// such halves may go to two threads: in an MLP each multiplies the hidden rows that it wrote.
#ifndef VITRAIL_OPS_PRODUCT_HPP
#define VITRAIL_OPS_PRODUCT_HPP

#include <optional>
#include <vitrail/ops/product_rows.hpp>
#include <vitrail/runtime/context.hpp>

VITRAIL_BEGIN_NAMESPACE

namespace detail {

/// Floats that one worker keeps of unfinished tiles.
inline Index sums_count(const Panels& weight, const ProductPlan& plan) {
  return (plan.parts_apart ? 1 : plan.parts) * sums_of_part(weight, plan);
}

/// Bytes that one worker keeps of a prepared slab.
inline Index prepared_count(const Panels& weight, const ProductPlan& plan) {
  return weight.product().prepared_bytes * weight.product().panel_vectors *
         ((plan.blocks + plan.pieces - 1) / plan.pieces);
}

/// y = epilogue(x W^T), and with `then` epilogue'(epilogue(x W^T) W'^T), as many of their outputs
/// as y has columns. With `then` both are in one format, f32 or bf16, and the outputs of W fill
/// whole blocks of it.
struct ProductOfRows {
  LeftRows x;
  Product first;
  std::optional<Product> then;
  MatrixView<float> y;

  [[nodiscard]] const Product& last() const { return then ? *then : first; }
  [[nodiscard]] Destination destination() const {
    return {reinterpret_cast<std::byte*>(y.data()), y.stride(0) * Index{sizeof(float)}, 0,
            LeftFormat::f32};
  }
  /// The same of rows [begin, end) alone.
  [[nodiscard]] ProductOfRows slice(Index begin, Index end) const {
    ProductOfRows part = *this;
    part.x.first += begin;
    part.y = y.slice(begin, end);
    Finish& finish = part.then ? part.then->finish : part.first.finish;
    if (finish.residual != nullptr) finish.residual += begin * finish.residual_stride;
    return part;
  }
};

/// How both products are cut for `workers`.
struct ProductPlans {
  ProductPlan first;
  ProductPlan last;

  ProductPlans(const ProductOfRows& of, Index rows, Index workers)
      : first(plan_product(of.first.weight, rows, of.first.outputs, workers)),
        last(of.then ? plan_product(of.then->weight, rows, of.then->outputs, workers, true)
                     : first) {}
};

/// What one worker writes to.
struct WorkerMemory {
  LeftSide left;
  LeftSide between;  // the left side of the second product
  ProductScratch scratch;
  ProductScratch last_scratch;
  float* rows;              // between two steps of packing
  MatrixView<float> units;  // sums of all units of the second product, where parts of K are apart
};

/// The memory of all workers, who share `lefts` left sides: one, or each has its own.
class ProductMemory {
 public:
  ProductMemory(const ProductOfRows& of, const ProductPlans& plans, Index workers, Index lefts,
                Workspace& workspace)
      : left_(of.first, plans.first, lefts, workspace),
        between_(of.last(), plans.last, of.then ? lefts : 0, workspace),
        first_part_(sums_of_part(of.first.weight, plans.first)),
        last_part_(sums_of_part(of.last().weight, plans.last)),
        sums_(workspace.per_worker<float>(
            std::max(workers, plans.last.parts_apart ? plans.last.units() : 0),
            std::max(sums_count(of.first.weight, plans.first),
                     sums_count(of.last().weight, plans.last)))),
        slabs_(workspace.per_worker<std::uint8_t>(
            workers, 2 * std::max(prepared_count(of.first.weight, plans.first),
                                  prepared_count(of.last().weight, plans.last)))),
        rows_(workspace.per_worker<float>(
            workers, scratch_rows(of.first.weight, of.x) * of.first.weight.inputs())) {}

  [[nodiscard]] WorkerMemory of(Index worker) const {
    return {left_.of(worker),
            between_.of(worker),
            scratch(worker, first_part_),
            scratch(worker, last_part_),
            rows_[worker].data(),
            sums_};
  }

 private:
  class Lefts {
   public:
    Lefts(const Product& of, const ProductPlan& plan, Index count, Workspace& workspace)
        : tiles_(workspace.per_worker<std::uint8_t>(count, plan.tiles.count() * plan.tile_bytes)) {
      const Index rows = plan.tiles.count() * of.weight.product().tile_rows();
      quantised_ = workspace.per_worker<std::int32_t>(
          count, rows * Index{sizeof(Quantised) / sizeof(std::int32_t)});
      pairs_ = workspace.per_worker<float>(of.paired ? count : 0, rows);
    }
    [[nodiscard]] LeftSide of(Index worker) const {
      if (tiles_.extent(0) == 0) return {};
      const Index own = std::min(worker, tiles_.extent(0) - 1);
      return {reinterpret_cast<std::byte*>(tiles_[own].data()),
              reinterpret_cast<Quantised*>(quantised_[own].data()),
              pairs_.extent(0) == 0 ? nullptr : pairs_[own].data()};
    }

   private:
    MatrixView<std::uint8_t> tiles_;
    MatrixView<std::int32_t> quantised_;
    MatrixView<float> pairs_;
  };

  [[nodiscard]] ProductScratch scratch(Index worker, Index part) const {
    float* const own = sums_[worker].data();
    auto* const slab = reinterpret_cast<std::byte*>(slabs_[worker].data());
    return {{own, own + part}, {slab, slab + slabs_.extent(1) / 2}};
  }

  Lefts left_;
  Lefts between_;
  Index first_part_;  // floats of a part's sums, for the first product
  Index last_part_;   // ... for the second
  MatrixView<float> sums_;
  MatrixView<std::uint8_t> slabs_;  // prepared, two of each worker
  MatrixView<float> rows_;
};

/// Who packs which tile of rows and multiplies which unit.
struct ProductTurns {
  WorkRanges packing;
  WorkRanges multiplying;
  WorkRanges again;  // the second product
  std::array<Meeting, WorkRanges::most_workers> meetings;

  ProductTurns(const ProductPlans& plans, Index workers)
      : packing(plans.first.tiles.count(), workers),
        multiplying(plans.first.units(), workers),
        again(plans.last.units(), workers) {}
};

/// What one of the workers does.
inline void multiply_rows(const ProductOfRows& of, const ProductPlans& plans,
                          const WorkerMemory& memory, ProductTurns& turns, Index worker) {
  for (Index t = turns.packing.next(worker); t >= 0; t = turns.packing.next(worker)) {
    pack_tile(of.first, plans.first, of.x, t, memory.left, memory.rows);
    turns.packing.mark_done();
  }
  turns.packing.wait_for_all();
  Destination to = of.destination();
  if (of.then)
    to = {memory.between.tiles, 0, plans.last.tile_bytes, of.then->weight.product().left};
  for (Index u = turns.multiplying.next(worker); u >= 0; u = turns.multiplying.next(worker)) {
    Unit(of.first, plans.first, u, memory.left, to, memory.scratch).run();
    turns.multiplying.mark_done();
  }
  if (!of.then) return;
  turns.multiplying.wait_for_all();
  ProductScratch scratch = memory.last_scratch;
  for (Index u = turns.again.next(worker); u >= 0; u = turns.again.next(worker)) {
    Meeting* meeting = nullptr;
    if (plans.last.parts_apart) {
      const Index bunch = u % plans.last.bunches;
      meeting = &turns.meetings[static_cast<std::size_t>(bunch)];
      scratch.sums = {memory.units[bunch].data(), memory.units[bunch + plans.last.bunches].data()};
    }
    Unit(*of.then, plans.last, u, memory.between, of.destination(), scratch, meeting).run();
  }
}

/// Into how many groups M rows are cut of which each goes through all panels, and both products, on
/// one worker: it then waits for nobody, and what is between the products stays in its second
/// cache. 0: all workers share the panels, where there are too few rows for reading weights that
/// often, or rows are used up faster than that.
inline Index row_groups(const Panels& weight, Index M, Index workers) {
  constexpr Index most_rows = 216;
  constexpr Index fewest_rows = 60;
  if (weight.product().rows_in_cache) return 0;
  const Index groups = ((M + most_rows - 1) / most_rows + workers - 1) / workers * workers;
  return groups > 1 && M >= groups * fewest_rows ? groups : 0;
}

/// Packing, the first product and the second, each shared out among `most_workers`.
inline void share_panels(const ProductOfRows& of, Index most_workers, const Context& context) {
  const ProductPlans plans(of, of.y.extent(0), most_workers);
  const Index workers = std::min(
      most_workers, std::max({plans.first.units(), plans.last.units(), plans.first.tiles.count()}));
  const Workspace::Scope scope(context.workspace);
  const ProductMemory memory(of, plans, workers, 1, context.workspace);
  ProductTurns turns(plans, workers);
  context.executor.parallel_for(workers, [&](Index worker) {
    const TileScope tiles(of.first.weight.product());
    multiply_rows(of, plans, memory.of(worker), turns, worker);
  });
}

/// A group of rows on its way through both products.
struct RowGroup {
  ProductOfRows of;
  ProductPlans plans;
  ProductTurns turns;
  const WorkerMemory& memory;  // of the worker in whose hands it is

  RowGroup(const ProductOfRows& rows, const WorkerMemory& owners)
      : of(rows), plans(of, of.y.extent(0), 1), turns(plans, 1), memory(owners) {}
};

/// Where others find the group that a worker has in hand.
class GroupInHand {
 public:
  /// Does the group's work, with whoever comes to help, and returns when all have left.
  void multiply(RowGroup& group) {
    group_.store(&group);
    multiply_rows(group.of, group.plans, group.memory, group.turns, 0);
    // As in ThreadPool: a helper counts itself before it looks, so one of the two sees the other.
    group_.store(nullptr);
    spin_until([this] { return helpers_.load() == 0; });
  }
  /// Takes tiles and panels of the group, if there is one, until none are left.
  void help(WorkerMemory memory) {
    helpers_.fetch_add(1);
    if (RowGroup* const group = group_.load(); group != nullptr) {
      memory.left = group->memory.left;
      memory.between = group->memory.between;
      multiply_rows(group->of, group->plans, memory, group->turns, 0);
    }
    helpers_.fetch_sub(1);
  }

 private:
  alignas(128) std::atomic<RowGroup*> group_ = nullptr;
  std::atomic<int> helpers_ = 0;
};

/// `groups` of rows shared out among `workers`. Who finds none left helps with those in hand, as
/// cores are seldom equally fast.
inline void share_rows(const ProductOfRows& of, Index groups, Index workers,
                       const Context& context) {
  const ProductKernels& product = of.first.weight.product();
  const RowTiles tiles(product, of.y.extent(0));
  const Index most_rows = (tiles.count() + groups - 1) / groups * product.tile_rows();
  const ProductPlans largest(of, most_rows, 1);
  VITRAIL_ASSERT(largest.first.groups == 1 && largest.last.groups == 1,
                 "share_rows: fewer rows may need more sums");
  const Workspace::Scope scope(context.workspace);
  const ProductMemory memory(of, largest, workers, workers, context.workspace);
  WorkRanges ranges(groups, workers);
  std::array<GroupInHand, WorkRanges::most_workers> in_hand;
  context.executor.parallel_for(workers, [&](Index worker) {
    const TileScope tile_scope(product);
    const WorkerMemory own = memory.of(worker);
    for (Index g = ranges.next(worker); g >= 0; g = ranges.next(worker)) {
      RowGroup group(of.slice(tiles.first_row(g * tiles.count() / groups),
                              tiles.first_row((g + 1) * tiles.count() / groups)),
                     own);
      in_hand[static_cast<std::size_t>(worker)].multiply(group);
    }
    for (Index i = 1; i < workers; ++i)
      in_hand[static_cast<std::size_t>((worker + i) % workers)].help(own);
  });
}

inline void packed_product(ProductOfRows of, const Context& context) {
  const Index M = of.y.extent(0);
  if (M == 0 || of.y.extent(1) == 0) return;
  const Workspace::Scope scope(context.workspace);
  NormArguments sized_norm;
  if (of.x.norm != nullptr && of.first.weight.paired()) {
    const SizedNorm sized = norm_of_size(*of.x.norm, of.first.weight.inputs(),
                                         of.first.weight.weight_size(), context.workspace);
    sized_norm = sized.norm;
    of.x.norm = &sized_norm;
    of.first.paired = true;
    of.first.finish.factor = 1.0F / sized.factor;
  }
  of.first.weight.count_use();
  if (of.then) of.then->weight.count_use();
  const Index workers = WorkRanges::workers_for(context.executor, WorkRanges::most_workers);
  const Index groups = row_groups(of.first.weight, M, workers);
  if (groups > 0) return share_rows(of, groups, std::min(workers, groups), context);
  share_panels(of, workers, context);
}

}  // namespace detail

VITRAIL_END_NAMESPACE

#endif  // VITRAIL_OPS_PRODUCT_HPP

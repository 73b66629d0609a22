#include "host/self_test.hpp"

#include <vector>

#include "host/config_table.hpp"
#include "host/embedded_cubins.hpp"

namespace deep_gemm {
namespace {

bool check_cubins(SelfTestCounts& counts, Status& status) {
  for (std::size_t i = 0; i < config_count(); ++i)
    if (find_cubin(config_at(i).cubin) == nullptr)
      return status.fail("cubin %s: not in the library", config_at(i).cubin);
  for (std::size_t i = 0; i < cubin_count(); ++i) {
    const EmbeddedCubin& cubin = cubin_at(i);
    if (const char* damage = cubin_damage(cubin)) return status.fail("cubin %s: %s", cubin.name, damage);
    counts.cubin_bytes += cubin.bytes();
  }
  counts.configs = config_count();
  counts.cubins = cubin_count();
  if (counts.cubins == counts.configs) return true;
  return status.fail("cubins: expected %zu, one for each configuration, found %zu", counts.configs, counts.cubins);
}

bool check_schedule(const NamedConfig& named, const Problem& problem, Status& status) {
  const TileSchedule schedule = schedule_of(named.config, problem);
  std::vector<bool> seen(schedule.tiles(), false);
  for (std::uint32_t i = 0; i < schedule.tiles(); ++i) {
    const TileCoordinate tile = schedule.at(i);
    const std::size_t place = std::size_t{tile.n} * schedule.tiles_m + tile.m;
    if (tile.m >= schedule.tiles_m || tile.n >= schedule.tiles_n || seen[place])
      return status.fail("schedule of %s: tile %u is outside of the output or visited twice", named.name, i);
    seen[place] = true;
  }
  return true;
}

bool check_problem(const Problem& problem, int multiprocessors, Status& status) {
  const std::size_t index = choose_config(problem, multiprocessors);
  if (index >= config_count() || !suits(config_at(index).config, problem))
    return status.fail("choice for %s, m=%lld, n=%lld: no configuration of the output type", kind_name(problem.kind),
                       static_cast<long long>(problem.m), static_cast<long long>(problem.n));
  return check_schedule(config_at(index), problem, status);
}

// Every type of output that a kind has; a kind has one.
bool check_kind(Kind kind, std::int64_t m, std::int64_t n, SelfTestCounts& counts, Status& status) {
  bool served = false;
  for (const int output_bytes : {2, 4}) {
    const auto has = [&](const NamedConfig& named) {
      return named.config.kind == kind && named.config.output_bytes == output_bytes;
    };
    bool any = false;
    for (std::size_t i = 0; i < config_count(); ++i) any = any || has(config_at(i));
    if (!any) continue;
    served = true;
    if (!check_problem({kind, m, n, 7168, output_bytes}, 132, status)) return false;
    ++counts.problems;
  }
  return served || status.fail("kind %s: no configuration", kind_name(kind));
}

}  // namespace

bool self_test(SelfTestCounts& counts, Status& status) {
  counts = {};
  if (!check_cubins(counts, status)) return false;
  constexpr std::int64_t kExtents[] = {1, 63, 64, 65, 127, 129, 1000, 2112};
  for (const std::int64_t m : kExtents)
    for (const std::int64_t n : kExtents)
      for (int kind = 0; kind < kKinds; ++kind)
        if (!check_kind(static_cast<Kind>(kind), m, n, counts, status)) return false;
  return true;
}

}  // namespace deep_gemm

// SimWorld: the group. Partitions are revoked with a limit, given to others, lost by those that stand still too long;
// members hear of it late.
#include <fmt/format.h>

#include <algorithm>

#include "sim/sim_world.h"

namespace millrace::sim {

namespace {

constexpr int64_t kSessionMs = 3000;
constexpr int64_t kRevokeMs = 2000;

}  // namespace

SimWorld::Instance* SimWorld::owner(int32_t partition) {
  const int id = owner_[partition];
  return id < 0 ? nullptr : &instances_[static_cast<size_t>(id)];
}

void SimWorld::turn_group() {
  join_and_leave();
  deliver_stamps();
  switch (rebalance_) {
    case Rebalance::none:
      if (rebalance_wanted_) begin_rebalance();
      break;
    case Rebalance::revoking:
      finish_revoking();
      break;
    case Rebalance::assigning:
      assign();
      break;
  }
}

void SimWorld::join_and_leave() {
  for (Instance& instance : instances_) {
    if (instance.engine == nullptr) continue;
    if (frozen(instance)) {
      if (!instance.joined || instance.out || now_ms() - instance.frozen_from_ms < kSessionMs) continue;
      say(fmt::format("the group goes on without instance {}", instance.id));
      instance.out = true;
      instance.hears_ms = instance.frozen_until_ms + cluster_.number(0, 1000);
      rebalance_wanted_ = true;
      continue;
    }
    if (instance.out && now_ms() >= instance.hears_ms) {
      say(fmt::format("instance {} hears that the group went on without it", instance.id));
      lose_all(instance);
      instance.out = false;
      instance.joined = false;
    }
    if (!instance.joined && !instance.out && instance.engine->producers_ready()) {
      instance.joined = true;
      rebalance_wanted_ = true;
    }
  }
}

void SimWorld::lose_all(Instance& instance) {
  std::vector<TopicPartition> lost;
  for (auto& [partition, ownership] : instance.ownership) {
    ownership->epoch.fetch_add(1);
    lost.push_back({"in", partition});
  }
  instance.stamp = {-1, "", nullptr};
  instance.next_stamp.reset();
  instance.engine->revoked(lost, true);
  instance.ownership.clear();
}

// Members learn of a new generation one by one; until then they act with the old one.
void SimWorld::deliver_stamps() {
  for (Instance& instance : instances_) {
    if (instance.engine == nullptr || frozen(instance) || !instance.next_stamp) continue;
    if (now_ms() < instance.next_stamp_ms) continue;
    instance.stamp = *instance.next_stamp;
    instance.next_stamp.reset();
  }
}

void SimWorld::begin_rebalance() {
  rebalance_wanted_ = false;
  members_.clear();
  for (Instance& instance : instances_) {
    if (instance.engine == nullptr || !instance.joined || instance.out) continue;
    // Somebody who stands still for less than the session holds the rebalance up until he is back.
    if (frozen(instance)) {
      rebalance_wanted_ = true;
      return;
    }
    members_.insert(instance.id);
  }
  if (members_.empty()) return;
  ++report_.rebalances;
  const std::vector<int> all(members_.begin(), members_.end());
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    target_[partition] = all[static_cast<size_t>(cluster_.number(0, static_cast<int64_t>(all.size()) - 1))];
    Instance* from = owner(partition);
    if (from == nullptr) continue;
    const bool stays = members_.count(from->id) != 0 && from->ownership.count(partition) != 0;
    if (stays && target_[partition] != from->id) from->engine->revoked({{"in", partition}}, false);
  }
  say(fmt::format("rebalance {} among {} members", report_.rebalances, members_.size()));
  rebalance_ = Rebalance::revoking;
  revoke_until_ms_ = now_ms() + kRevokeMs;
}

void SimWorld::finish_revoking() {
  bool waiting = false;
  for (auto& [partition, to] : target_) {
    Instance* from = owner(partition);
    if (from == nullptr || from->id == to || from->engine == nullptr || from->ownership.count(partition) == 0) continue;
    if (members_.count(from->id) == 0 || from->engine->released({"in", partition})) continue;
    waiting = true;
  }
  if (waiting && now_ms() < revoke_until_ms_) return;
  for (auto& [partition, to] : target_) {
    Instance* from = owner(partition);
    if (from == nullptr || from->id == to || from->engine == nullptr || members_.count(from->id) == 0) continue;
    const auto ownership = from->ownership.find(partition);
    if (ownership == from->ownership.end()) continue;
    ownership->second->epoch.fetch_add(1);
    from->ownership.erase(ownership);
  }
  std::set<std::string> names;
  for (const int id : members_) names.insert(instances_[static_cast<size_t>(id)].member);
  cluster_.set_group(cluster_.generation() + 1, names);
  say(fmt::format("generation {}", cluster_.generation()));
  for (const int id : members_) {
    Instance& instance = instances_[static_cast<size_t>(id)];
    instance.next_stamp = GroupStamp{cluster_.generation(), instance.member, nullptr};
    instance.next_stamp_ms = now_ms() + cluster_.number(0, 60);
  }
  rebalance_ = Rebalance::assigning;
}

// A partition begins where the group stands, and not before open transactions with its offset have ended.
void SimWorld::assign() {
  bool waiting = false;
  for (auto& [partition, to] : target_) {
    Instance& instance = instances_[static_cast<size_t>(to)];
    if (instance.engine == nullptr || instance.out || !instance.joined || members_.count(to) == 0) continue;
    if (instance.ownership.count(partition) != 0) {
      owner_[partition] = to;
      continue;
    }
    Progress found;
    if (frozen(instance) || instance.next_stamp ||
        cluster_.fetch_offsets({{"in", partition}}, options_.require_stable, found) != Code::ok) {
      waiting = true;
      continue;
    }
    const int64_t offset = found.at({"in", partition});
    AssignedPartition assigned;
    assigned.partition = {"in", partition};
    assigned.queue = std::make_unique<SimQueue>("in", partition, source_[static_cast<size_t>(partition)],
                                                written_[static_cast<size_t>(partition)], offset);
    assigned.ownership = std::make_shared<Ownership>();
    assigned.start_offset = offset;
    assigned.committed = offset;
    instance.ownership[partition] = assigned.ownership;
    owner_[partition] = to;
    say(fmt::format("in-{} to instance {} from {}", partition, to, offset));
    std::vector<AssignedPartition> all;
    all.push_back(std::move(assigned));
    instance.engine->assigned(std::move(all));
  }
  if (!waiting || rebalance_wanted_) rebalance_ = Rebalance::none;
}

}  // namespace millrace::sim

// ProducerTable: how each worker's producer is doing, for whoever looks from outside. Written by the workers' brokers,
// read by any thread.
#pragma once

#include <map>
#include <vector>

#include "base/thread.h"
#include "io/broker.h"
#include "kafka/statistics.h"

namespace millrace {

class ProducerTable {
 public:
  struct Row {
    int worker = 0;
    ProducerLoad load;
    ProducerStatistics statistics;
  };

  void publish(int worker, const ProducerLoad& load, const ProducerStatistics& statistics) {
    MutexLock lock(mutex_);
    rows_[worker] = Row{worker, load, statistics};
  }
  // In the order of the workers.
  [[nodiscard]] std::vector<Row> rows() const {
    MutexLock lock(mutex_);
    std::vector<Row> rows;
    for (const auto& [worker, row] : rows_) rows.push_back(row);
    return rows;
  }

 private:
  mutable Mutex mutex_;
  std::map<int, Row> rows_ GUARDED_BY(mutex_);
};

}  // namespace millrace

target_sources(sim_test PRIVATE tests/support/test_graph.cc tests/sim/sim_cluster.cc tests/sim/sim_broker.cc
               tests/sim/sim_queue.cc tests/sim/sim_world.cc tests/sim/sim_group.cc tests/sim/rate_model.cc)

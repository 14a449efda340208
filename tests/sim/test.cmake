set(sim_sources tests/support/test_graph.cc tests/sim/sim_cluster.cc tests/sim/sim_broker.cc tests/sim/sim_queue.cc
    tests/sim/sim_world.cc tests/sim/sim_group.cc)
target_sources(sim_test PRIVATE ${sim_sources} tests/sim/rate_model.cc)
# Replays one seed with a trace: scripts/sim.
add_executable(sim_run tests/sim/sim_run.cc ${sim_sources})
target_include_directories(sim_run PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(sim_run PRIVATE millrace_pipeline)

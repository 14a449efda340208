# The simulation as a program: many seeds, or one with a trace (scripts/sim). Fast enough only with optimisation, so it is
# asked for by name in the release build.
add_executable(sim_run EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/support/test_graph.cc
               ${CMAKE_CURRENT_LIST_DIR}/sim_run.cc ${CMAKE_CURRENT_LIST_DIR}/sim_cluster.cc
               ${CMAKE_CURRENT_LIST_DIR}/sim_broker.cc ${CMAKE_CURRENT_LIST_DIR}/sim_queue.cc
               ${CMAKE_CURRENT_LIST_DIR}/sim_world.cc ${CMAKE_CURRENT_LIST_DIR}/sim_group.cc)
target_include_directories(sim_run PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(sim_run PRIVATE millrace_pipeline)

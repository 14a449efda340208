# The benchmarks; scripts/build bench makes them beside the daemon.
add_executable(copy_broker tests/bench/copy_broker.cc tests/bench/copy_cluster.cc)
target_link_libraries(copy_broker PRIVATE fmt::fmt CLI11::CLI11)

# Links the daemon's folders for the librdkafka settings and for murmur2, so that both sides have the same.
add_executable(copy_loop tests/bench/copy_loop.cc)
target_link_libraries(copy_loop PRIVATE millrace_kafka CLI11::CLI11)

if(EXISTS ${CMAKE_SOURCE_DIR}/tests/bench/expr_bench.cc)
  find_package(benchmark REQUIRED)
  add_executable(expr_bench tests/bench/expr_bench.cc)
  target_compile_definitions(expr_bench PRIVATE MILLRACE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(expr_bench PRIVATE millrace_expr benchmark::benchmark)
endif()

add_executable(share_bench tests/bench/share_bench.cc tests/support/fake_kafka.cc tests/support/test_graph.cc)
target_include_directories(share_bench PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(share_bench PRIVATE millrace_pipeline)

target_sources(pipeline_test PRIVATE tests/support/fake_kafka.cc tests/support/test_graph.cc tests/pipeline/rig.cc)

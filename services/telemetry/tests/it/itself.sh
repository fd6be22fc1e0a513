#!/bin/sh
# Runs one test of the binary of tests again, as a process of its own.
exec "$TEST_BINARY" --exact "$TEST_NAME" --nocapture

//go:build !race

package main

// raceDetector says that this test program carries the race detector, which makes frames and stacks larger.
const raceDetector = false

package loaders

import "time"

// SetWindow sets how long a loader gathers keys that the planner did not
// foresee, and returns what sets it back.
func SetWindow(d time.Duration) (restore func()) {
	before := window
	window = d
	return func() { window = before }
}

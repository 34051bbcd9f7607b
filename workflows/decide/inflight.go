// SPDX-License-Identifier: Apache-2.0

package decide

import "time"

// InFlight is how long after the end of an activity a write of it can still take effect whose answer was lost.
// The worker bounds each of its requests by [Request], and the API server carries none out beyond that.
const (
	InFlight = 5 * time.Second
	Request  = 4 * time.Second
)

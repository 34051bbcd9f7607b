// SPDX-License-Identifier: Apache-2.0

package decide

import "time"

// Drain is how long the candidate's pods stay after the gateway has sent their traffic elsewhere, for
// requests under way and for connections that have not heard yet.
const Drain = 2 * time.Second
